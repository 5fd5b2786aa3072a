"""``greenlot doctor``: whether a server could run as it is set up, and what is wrong."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from greenlot.city import load_city
from greenlot.cli.server_options import (
    CertificateOption,
    ClientCaOption,
    DataOption,
    KeyOption,
    ListenOption,
    MetricsOption,
    StoreOption,
    TokensOption,
    tls_files,
    tokens_path,
)
from greenlot.doctor import (
    Finding,
    Verdict,
    check_clock,
    check_directory,
    check_exposure,
    check_listen,
    check_open_files,
    check_secret,
    check_store,
    check_tls,
    check_tokens,
)
from greenlot.errors import CityError, StartError
from greenlot.server import DEFAULT_LISTEN
from parking.errors import ParkingError
from traffic.errors import TrafficError


def doctor(
    city: Annotated[
        Path | None,
        typer.Option(envvar="GREENLOT_CITY", help="City directory; default: none is looked at."),
    ] = None,
    listen: ListenOption = DEFAULT_LISTEN,
    data: DataOption = Path("greenlot-data"),
    store: StoreOption = None,
    tls_certificate: CertificateOption = None,
    tls_key: KeyOption = None,
    tls_client_ca: ClientCaOption = None,
    tokens: TokensOption = None,
    plaintext: Annotated[
        bool, typer.Option("--plaintext", envvar="GREENLOT_PLAINTEXT", help="As of serve.")
    ] = False,
    metrics: MetricsOption = None,
    connections: Annotated[
        int, typer.Option(min=1, help="How many callers are to be connected at the same time.")
    ] = 5000,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """Check a set-up with the options of serve. Exit status 1 if something is wrong.

    Nothing is changed, and a server that runs is not disturbed.
    """
    path = tokens_path(tokens, data)

    def findings() -> Iterator[Finding]:
        yield check_listen("port", listen)
        if metrics is not None:
            where = metrics if ":" in metrics else f"127.0.0.1:{metrics}"
            yield check_listen("metrics port", where)
        has_tls = False
        try:
            files = tls_files(tls_certificate, tls_key, tls_client_ca)
        except StartError as error:
            yield Finding("certificate", Verdict.WRONG, str(error), "give what is missing")
        else:
            has_tls = files is not None
            if files is not None:
                yield from check_tls(files)
        yield from check_tokens(path)
        yield from check_exposure(
            listen, has_tls=has_tls, allows_plaintext=plaintext, tokens=path, metrics=metrics
        )
        city_id = None
        if city is not None:
            try:
                loaded = load_city(city, cache=data)
            except (CityError, TrafficError, ParkingError) as error:
                yield Finding("city", Verdict.WRONG, str(error), "put the file right")
            else:
                city_id = loaded.id
                says = f"{loaded.id}: {len(loaded.graph.signals)} signals, {len(loaded.lots)} lots"
                yield Finding("city", Verdict.OK, says)
                yield Finding("street", Verdict.OK, loaded.street.summary)
        yield from check_directory(data)
        yield from check_store(store, data, city_id)
        yield from check_secret(store)
        yield check_open_files(connections)
        yield check_clock()

    found = list(findings())
    if as_json:
        print(json.dumps({"findings": [asdict(item) for item in found]}, ensure_ascii=False))
    else:
        for item in found:
            print(f"{item.verdict:<8} {item.what:<15} {item.says}")
            if item.do:
                print(f"{'':<24} -> {item.do}")
    if any(item.verdict is Verdict.WRONG for item in found):
        raise typer.Exit(1)
