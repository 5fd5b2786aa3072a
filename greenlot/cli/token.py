"""``greenlot token``: gives tokens out, lists and revokes them."""

import json
import secrets
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from greenlot.cli.server_options import DataOption, TokensOption, tokens_path
from greenlot.clock import system_clock
from greenlot.errors import TokenError
from greenlot.security.callers import Caller, Role
from greenlot.security.token_file import ALL, change_tokens, read_tokens
from greenlot.security.tokens import TokenRecord, digest, new_token

DAY_MS = 86_400_000
app = typer.Typer(no_args_is_help=True)

JsonOption = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]


@app.command("add")
def add(
    role: Annotated[Role, typer.Option(help="What its owner is in the city.")],
    name: Annotated[
        str, typer.Option(help="Who gets it; tokens of one name are one caller, as when renewed.")
    ],
    signals: Annotated[
        str, typer.Option(help="A controller's own signals: ids with commas between, or *.")
    ] = "",
    lots: Annotated[str, typer.Option(help="An operator's own lots: ids with commas.")] = "",
    operator: Annotated[
        list[str] | None,
        typer.Option(help="All lots whose operator has this name are its own; may be repeated."),
    ] = None,
    days: Annotated[
        float | None, typer.Option(min=0, help="It ends after so many days; default: never.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="Calls a second; default: as its role.")
    ] = None,
    data: DataOption = Path("greenlot-data"),
    tokens: TokensOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a token out: it is printed once, on stdout, and kept nowhere.

    A server that runs knows it within a second.
    """
    path, token, now_ms = tokens_path(tokens, data), new_token(), system_clock()
    own = frozenset(_words(signals))
    record = TokenRecord(
        id=secrets.token_hex(4),
        caller=Caller(
            name=name,
            role=role,
            signals=None if own == {ALL} else own,
            lots=frozenset(_words(lots)),
            operators=frozenset(operator or ()),
            calls_per_s=rate,
        ),
        sha256=digest(token),
        created_ms=now_ms,
        expires_ms=None if days is None else now_ms + max(1, round(days * DAY_MS)),
    )
    change_tokens(path, lambda records: [*records, record])
    if as_json:
        print(json.dumps({"token": token, **_shown(record, now_ms)}, ensure_ascii=False))
        return
    print(f"{path}: token {record.id} for {name} ({role}); it is shown only now:", file=sys.stderr)
    print(token)


@app.command("list")
def list_tokens(
    data: DataOption = Path("greenlot-data"),
    tokens: TokensOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the tokens: whose they are and until when, never the tokens themselves."""
    now_ms = system_clock()
    records = read_tokens(tokens_path(tokens, data)).records
    rows = [_shown(record, now_ms) for record in records]
    if as_json:
        print(json.dumps({"tokens": rows}, ensure_ascii=False))
        return
    for row in rows:
        until = row["expires"] or "never ends"
        print(f"{row['id']}  {row['state']:<8} {row['role']:<10} {row['name']:<24} {until}")


@app.command("revoke")
def revoke(
    token: Annotated[str, typer.Argument(help="Its id, or a name: then all of that name.")],
    data: DataOption = Path("greenlot-data"),
    tokens: TokensOption = None,
) -> None:
    """Revoke tokens: a server that runs refuses them within a second, and ends their streams."""
    now_ms = system_clock()
    ended: list[str] = []

    def change(records: Sequence[TokenRecord]) -> Sequence[TokenRecord]:
        changed = []
        for record in records:
            if token in (record.id, record.caller.name) and record.revoked_ms is None:
                ended.append(record.id)
                record = replace(record, revoked_ms=now_ms)
            changed.append(record)
        if not ended:
            # Perhaps it is a token itself, which must not be repeated.
            raise TokenError("no token of that id or name that is not revoked already")
        return changed

    change_tokens(tokens_path(tokens, data), change)
    print(f"revoked: {', '.join(ended)}")


def _words(text: str) -> list[str]:
    return [word for part in text.split(",") if (word := part.strip())]


def _shown(record: TokenRecord, now_ms: int) -> dict[str, object]:
    caller = record.caller
    if record.revoked_ms is not None:
        state = "revoked"
    else:
        state = "valid" if record.is_valid(now_ms) else "expired"
    row: dict[str, object] = {
        "id": record.id,
        "name": caller.name,
        "role": str(caller.role),
        "state": state,
        "created": _date(record.created_ms),
        "expires": None if record.expires_ms is None else _date(record.expires_ms),
    }
    if caller.role is Role.CONTROLLER:
        row["signals"] = [ALL] if caller.signals is None else sorted(caller.signals)
    if caller.role is Role.OPERATOR:
        row |= {"lots": sorted(caller.lots), "operators": sorted(caller.operators)}
    if caller.calls_per_s is not None:
        row["calls_per_s"] = caller.calls_per_s
    return row


def _date(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
