"""The door: tokens, roles, anonymity, pace."""

from pathlib import Path

import pytest
from google.rpc import code_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from greenlot.errors import StartError
from greenlot.protection import Protection, guard_of, is_loopback
from greenlot.security.access import Policy
from greenlot.security.callers import ANONYMOUS, NOBODY, Caller, Role
from greenlot.security.guard import Guard, RefusedError
from greenlot.security.rates import Bucket
from greenlot.security.token_file import TokenFile, change_tokens
from greenlot.security.tokens import TokenRecord, digest, new_token

NOW_MS = 1_795_000_000_000
FOR_THE_APP = Policy(frozenset({Role.APP}))


class Keys:
    """A file of tokens, and a clock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now_ms = NOW_MS
        self.now_s = 0.0

    def give(self, caller: Caller, **more: int) -> str:
        token = new_token()
        record = TokenRecord(new_token()[4:12], caller, digest(token), NOW_MS, **more)
        change_tokens(self.path, lambda records: [*records, record])
        return f"Bearer {token}"

    def guard(self, **more: bool) -> Guard:
        more.setdefault("is_local", False)
        return Guard(
            TokenFile(self.path),
            clock_ms=lambda: self.now_ms,
            monotonic=lambda: self.now_s,
            **more,
        )


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path / "tokens.json")


def refused(guard: Guard, header: object, policy: Policy | None = FOR_THE_APP) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        guard.admit(header, policy)
    return caught.value


def test_a_token_lets_its_owner_in(keys: Keys) -> None:
    app = Caller("app", Role.APP)
    header = keys.give(app)
    caller, token_id = keys.guard().admit(header, FOR_THE_APP)
    assert caller == app
    assert token_id


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Bearer glt_", "Basic YTpi", b"Bearer x", "glt_" + "a" * 43],
)
def test_what_is_no_token_is_refused_and_not_repeated(keys: Keys, header: object) -> None:
    keys.give(Caller("app", Role.APP))
    refusal = refused(keys.guard(is_local=True), header)
    assert refusal.code == code_pb2.UNAUTHENTICATED
    assert "glt_" not in refusal.message


def test_expired_revoked_and_unknown_are_one_answer(keys: Keys) -> None:
    app = Caller("app", Role.APP)
    expired = keys.give(app, expires_ms=NOW_MS + 1000)
    revoked = keys.give(app, revoked_ms=NOW_MS + 1)
    guard = keys.guard()
    assert guard.admit(expired, FOR_THE_APP)[0] == app
    keys.now_ms += 1000
    answers = {
        (refusal.code, refusal.reason, refusal.message)
        for refusal in (
            refused(guard, header) for header in (expired, revoked, f"Bearer {new_token()}")
        )
    }
    assert answers == {(code_pb2.UNAUTHENTICATED, "BAD_TOKEN", "the token is not valid")}


def test_the_wrong_role_is_refused_and_so_is_a_call_that_is_not_in_the_table(keys: Keys) -> None:
    engineer = keys.give(Caller("e", Role.ENGINEER))
    admin = keys.give(Caller("root", Role.ADMIN))
    guard = keys.guard()
    assert refused(guard, engineer).code == code_pb2.PERMISSION_DENIED
    assert guard.admit(admin, FOR_THE_APP)[0].role is Role.ADMIN
    assert refused(guard, admin, None).code == code_pb2.PERMISSION_DENIED


def test_public_calls_need_no_token_and_give_no_rights(keys: Keys) -> None:
    assert keys.guard().admit(None, Policy(is_public=True)) == (NOBODY, None)


def test_anonymous_callers_only_on_the_machine_itself_and_until_the_first_token(keys: Keys) -> None:
    tokens = TokenFile(keys.path)
    local, beyond = Guard(tokens, is_local=True), Guard(tokens, is_local=False)
    assert local.admit(None, FOR_THE_APP) == (ANONYMOUS, None)
    assert refused(beyond, None).reason == "NO_TOKEN"
    keys.give(Caller("app", Role.APP))
    tokens.follow()
    assert refused(local, None).reason == "NO_TOKEN"
    kept = Guard(tokens, is_local=True, keeps_anonymous=True)
    assert kept.admit(None, FOR_THE_APP)[0] is ANONYMOUS
    assert not Guard(tokens, is_local=False, keeps_anonymous=True).lets_anonymous


def test_streams_end_with_their_token(keys: Keys) -> None:
    header = keys.give(Caller("app", Role.APP), expires_ms=NOW_MS + 1000)
    guard = keys.guard()
    _, token_id = guard.admit(header, FOR_THE_APP)
    assert guard.valid() == ({token_id}, 0)
    keys.now_ms += 1000
    assert guard.valid() == (frozenset(), 0)
    assert Guard(None, is_local=True).valid() == ({None}, 0)


def test_a_token_that_came_and_went_between_two_looks_is_noticed(keys: Keys) -> None:
    tokens = TokenFile(keys.path)
    guard = Guard(tokens, is_local=False, clock_ms=lambda: keys.now_ms)
    before = guard.valid()
    keys.give(Caller("app", Role.APP), revoked_ms=NOW_MS + 1)
    tokens.follow()
    assert guard.valid()[0] == before[0]
    assert guard.valid() != before


def test_a_caller_has_its_pace_whatever_token_it_uses_and_others_are_not_slowed(keys: Keys) -> None:
    slow = Caller("slow", Role.APP, calls_per_s=2.0)
    one, two = keys.give(slow), keys.give(slow)
    other = keys.give(Caller("other", Role.APP))
    guard = keys.guard()
    for header in (one, two, one, two):
        guard.admit(header, FOR_THE_APP)
    refusal = refused(guard, one)
    assert (refusal.code, refusal.reason) == (code_pb2.RESOURCE_EXHAUSTED, "RATE")
    assert refusal.retry_s == pytest.approx(0.5)
    guard.admit(other, FOR_THE_APP)
    keys.now_s += 0.5
    guard.admit(two, FOR_THE_APP)
    assert refused(guard, one).reason == "RATE"


def test_a_platform_may_call_as_often_as_its_signals_need() -> None:
    def pace(count: int | None) -> float:
        own = None if count is None else frozenset(map(str, range(count)))
        return Caller("c", Role.CONTROLLER, signals=own).pace_per_s

    assert [pace(1), pace(1000), pace(None)] == [52.0, 2050.0, 2000.0]
    assert Caller("c", Role.CONTROLLER, signals=None, calls_per_s=7.0).pace_per_s == 7.0
    assert Caller("e", Role.ENGINEER).pace_per_s == 200.0


@given(
    steps=st.lists(st.floats(0, 10), min_size=1, max_size=200),
    per_s=st.floats(0.1, 1000),
)
@settings(max_examples=100, deadline=None)
def test_a_bucket_never_lets_more_through_than_its_burst_and_rate(
    steps: list[float], per_s: float
) -> None:
    now = [0.0]
    bucket = Bucket(per_s, lambda: now[0])
    passed = 0
    for step in steps:
        now[0] += step
        passed += bucket.take()
        assert passed <= max(1.0, 2 * per_s) + per_s * now[0] + 1e-6
    assert passed >= 1


def test_an_endless_bucket_lets_all_through() -> None:
    bucket = Bucket(float("inf"), lambda: 0.0)
    assert all(bucket.take() for _ in range(10_000))


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("localhost", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("[::]", False),
        ("10.0.0.1", False),
        ("parking.example", False),
        ("localhost.example", False),
    ],
)
def test_only_loopback_is_local(host: str, local: bool) -> None:
    assert is_loopback(host) is local


def test_a_server_does_not_begin_in_the_open(keys: Keys) -> None:
    with pytest.raises(StartError, match="not loopback; expected --tls-certificate"):
        guard_of(Protection(), "0.0.0.0:50051", TokenFile(keys.path), None)
    plain = Protection(allows_plaintext=True)
    with pytest.raises(StartError, match="nobody has a token"):
        guard_of(plain, "0.0.0.0:50051", TokenFile(keys.path), None)
    keys.give(Caller("app", Role.APP))
    guard = guard_of(plain, "0.0.0.0:50051", TokenFile(keys.path), None)
    assert not guard.lets_anonymous
    assert guard_of(Protection(), "127.0.0.1:0", None, None).lets_anonymous
