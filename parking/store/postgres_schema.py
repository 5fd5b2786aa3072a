"""The ledger's tables in PostgreSQL. One database can hold several cities."""

CHANNEL = "greenlot_parking"

MIGRATIONS = (
    """
    -- One row a city: whoever writes its log holds this row's lock.
    CREATE TABLE parking_head (
      city     text PRIMARY KEY,
      revision bigint NOT NULL CHECK (revision >= 0)
    );
    CREATE TABLE parking_log (
      city     text NOT NULL REFERENCES parking_head,
      revision bigint NOT NULL CHECK (revision >= 1),
      at_ms    bigint NOT NULL,
      kind     text NOT NULL,
      version  integer NOT NULL,  -- of the kind
      subject  text NOT NULL,     -- the reservation, pool or lot
      body     json NOT NULL,
      PRIMARY KEY (city, revision)
    );
    CREATE INDEX parking_log_subject ON parking_log (city, subject);
    CREATE FUNCTION parking_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
      $$BEGIN RAISE EXCEPTION 'the log is append-only'; END$$;
    CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON parking_log
      EXECUTE FUNCTION parking_log_is_append_only();
    CREATE TABLE parking_answer (
      city       text NOT NULL REFERENCES parking_head,
      request_id text NOT NULL,
      digest     bytea NOT NULL,
      at_ms      bigint NOT NULL,
      reply      bytea NOT NULL,
      refusal    text,            -- JSON; NULL = not refused
      PRIMARY KEY (city, request_id)
    );
    CREATE INDEX parking_answer_at ON parking_answer (city, at_ms);
    -- One row a commit: what was told to the other servers, and how a commit whose
    -- acknowledgement was lost is found again.
    CREATE TABLE parking_outbox (
      city       text NOT NULL REFERENCES parking_head,
      batch      uuid NOT NULL,
      revision   bigint NOT NULL,  -- the log's end after it
      written_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (city, batch)
    );
    CREATE INDEX parking_outbox_written ON parking_outbox (city, written_at);
    -- Defence in depth: the invariant once more, in the database's own words.
    CREATE TABLE parking_pool (
      city      text NOT NULL REFERENCES parking_head,
      pool      text NOT NULL,
      capacity  bigint NOT NULL CHECK (capacity >= 0),
      -- The most spaces committed at an instant at which a car is still expected: cars that are
      -- parked already cannot be towed away when the capacity falls.
      committed bigint NOT NULL DEFAULT 0,
      PRIMARY KEY (city, pool),
      CONSTRAINT never_two_cars_for_one_space CHECK (committed <= capacity)
    );
    CREATE TABLE parking_stay (
      city        text NOT NULL,
      reservation text NOT NULL,
      pool        text NOT NULL,
      parked      boolean NOT NULL,
      from_ms     bigint NOT NULL,
      until_ms    bigint NOT NULL CHECK (until_ms >= from_ms),
      PRIMARY KEY (city, reservation),
      FOREIGN KEY (city, pool) REFERENCES parking_pool
    );
    CREATE INDEX parking_stay_pool ON parking_stay (city, pool);
    CREATE TABLE parking_driver (
      city    text NOT NULL REFERENCES parking_head,
      digest  bytea NOT NULL,     -- keyed HMAC of a plate or a phone number
      key     text NOT NULL,      -- what the log knows the driver by
      seen_ms bigint NOT NULL,
      PRIMARY KEY (city, digest)
    );
    CREATE INDEX parking_driver_key ON parking_driver (city, key);
    CREATE INDEX parking_driver_seen ON parking_driver (city, seen_ms);
    """,
    """
    CREATE TABLE parking_snapshot (
      city     text PRIMARY KEY REFERENCES parking_head,
      key      text NOT NULL,
      revision bigint NOT NULL,  -- of the log whose beginning it stands for
      shape    text NOT NULL,    -- of the states of the program that wrote it
      parts    integer NOT NULL,
      digest   bytea NOT NULL    -- of all parts
    );
    CREATE TABLE parking_snapshot_part (
      city   text NOT NULL REFERENCES parking_head,
      key    text NOT NULL,
      number integer NOT NULL,
      body   bytea NOT NULL,
      PRIMARY KEY (city, key, number)
    );
    """,
)

SELECT_EVENTS = (
    "SELECT revision, kind, version, body::text FROM parking_log "
    "WHERE city = %(city)s AND revision > %(after)s AND revision <= %(last)s ORDER BY revision"
)
SELECT_ANSWERS = (
    "SELECT request_id, digest, at_ms, reply, refusal FROM parking_answer "
    "WHERE city = %s AND request_id = ANY(%s)"
)
INSERT_EVENTS = (
    "INSERT INTO parking_log (city, revision, at_ms, kind, version, subject, body) "
    "SELECT %s, * FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::integer[], %s::text[], "
    "%s::json[])"
)
INSERT_ANSWERS = (
    "INSERT INTO parking_answer (city, request_id, digest, at_ms, reply, refusal) "
    "SELECT %s, * FROM unnest(%s::text[], %s::bytea[], %s::bigint[], %s::bytea[], %s::text[])"
)
INSERT_OUTBOX = "INSERT INTO parking_outbox (city, batch, revision) VALUES (%s, %s, %s)"
MOVE_HEAD = "UPDATE parking_head SET revision = %s WHERE city = %s"
NOTIFY = f"SELECT pg_notify('{CHANNEL}', %s)"

SELECT_SNAPSHOT = "SELECT key, revision, shape, parts, digest FROM parking_snapshot WHERE city = %s"
SELECT_PARTS = "SELECT body FROM parking_snapshot_part WHERE city = %s AND key = %s ORDER BY number"
INSERT_PART = (
    "INSERT INTO parking_snapshot_part VALUES (%s, %s, %s, %s) "
    # Done twice after a lost acknowledgement, it is the same.
    "ON CONFLICT DO NOTHING"
)
COUNT_PARTS = "SELECT count(*) FROM parking_snapshot_part WHERE city = %s AND key = %s"
DELETE_PARTS = "DELETE FROM parking_snapshot_part WHERE city = %s AND key <> %s"
UPSERT_SNAPSHOT = (
    "INSERT INTO parking_snapshot (city, key, revision, shape, parts, digest) "
    "VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (city) DO UPDATE SET key = excluded.key, "
    "revision = excluded.revision, shape = excluded.shape, parts = excluded.parts, "
    "digest = excluded.digest"
)

UPSERT_POOLS = (
    "INSERT INTO parking_pool (city, pool, capacity) "
    "SELECT %s, * FROM unnest(%s::text[], %s::bigint[]) "
    # Checked below, when the stays are in: a capacity may fall below what they were.
    "ON CONFLICT (city, pool) DO UPDATE SET capacity = excluded.capacity, committed = 0"
)
DELETE_STAYS = "DELETE FROM parking_stay WHERE city = %s AND reservation = ANY(%s)"
UPSERT_STAYS = (
    "INSERT INTO parking_stay (city, reservation, pool, parked, from_ms, until_ms) "
    "SELECT %s, * FROM unnest(%s::text[], %s::text[], %s::boolean[], %s::bigint[], %s::bigint[]) "
    "ON CONFLICT (city, reservation) DO UPDATE SET pool = excluded.pool, "
    "parked = excluded.parked, from_ms = excluded.from_ms, until_ms = excluded.until_ms"
)
COUNT_COMMITTED = """
UPDATE parking_pool SET committed = coalesce((
  SELECT max(level) FROM (
    SELECT sum(sum(step)) OVER upto AS level, sum(sum(waits)) OVER upto AS waiting
    FROM (
      SELECT from_ms AS at_ms, 1 AS step, (NOT parked)::int AS waits FROM parking_stay stay
        WHERE stay.city = parking_pool.city AND stay.pool = parking_pool.pool
      UNION ALL
      SELECT until_ms, -1, -(NOT parked)::int FROM parking_stay stay
        WHERE stay.city = parking_pool.city AND stay.pool = parking_pool.pool
    ) AS steps
    GROUP BY at_ms WINDOW upto AS (ORDER BY at_ms)
  ) AS levels WHERE waiting > 0
), 0)
WHERE city = %s AND pool = ANY(%s)
"""
