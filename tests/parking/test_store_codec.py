"""Events as text and back: every kind that there is, and what a later version may do to one."""

from dataclasses import dataclass, fields
from enum import Enum, StrEnum
from typing import ClassVar, get_args, get_type_hints

import pytest

from parking.errors import ParkingError
from parking.ledger import Event
from parking.store.codec import KINDS, decode, encode


class Colour(StrEnum):
    RED = "red"


class Level(Enum):
    LOW = 1


@dataclass(frozen=True, slots=True)
class Inner:
    name: str
    sizes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Everything:
    at_ms: int
    text: str
    flag: bool
    share: float
    perhaps: int | None
    colour: Colour
    level: Level
    inner: Inner
    many: tuple[Inner, ...]
    pair: tuple[str, int]
    maybe: Inner | None = None


@dataclass(frozen=True, slots=True)
class Renewed:
    VERSION: ClassVar[int] = 3
    at_ms: int
    length_m: int


def sample(hint: object) -> object:
    return {str: "满", int: 7, bool: True, int | None: None}.get(hint, ("a", "b"))


@pytest.mark.parametrize("kind", get_args(Event), ids=lambda kind: kind.__name__)
def test_every_kind_of_the_ledger_comes_back_as_it_was(kind):
    hints = get_type_hints(kind)
    event = kind(**{field.name: sample(hints[field.name]) for field in fields(kind)})
    assert decode(*encode(event)) == event


def test_fields_of_every_plain_type_come_back_as_they_were():
    inner = Inner("x", (1, 2))
    event = Everything(
        1, "t", False, 0.1, 5, Colour.RED, Level.LOW, inner, (inner, Inner("y")), ("p", 2), inner
    )
    kind, version, body = encode(event)
    back = decode(kind, version, body, kinds={"Everything": Everything})
    assert back == event
    assert isinstance(back.colour, Colour)


def test_a_field_that_is_new_takes_its_default_from_older_entries():
    body = '{"at_ms":1,"reservation_id":"r","late":true}'
    assert decode("Cancelled", 1, body).reason == ""


def test_an_older_version_is_made_todays_step_by_step():
    upgrades = {
        ("Renewed", 1): lambda values: {"at_ms": values["at"], "length_ft": values["length_ft"]},
        ("Renewed", 2): lambda values: {
            "at_ms": values["at_ms"],
            "length_m": round(values["length_ft"] * 0.3048),
        },
    }
    body = '{"at":1,"length_ft":100}'
    found = decode("Renewed", 1, body, kinds={"Renewed": Renewed}, upgrades=upgrades)
    assert found == Renewed(1, 30)
    assert encode(found)[1] == 3


@pytest.mark.parametrize(
    ("kind", "version", "body"),
    [
        ("Teleported", 1, "{}"),
        ("Confirmed", 2, '{"at_ms":1,"reservation_id":"r"}'),
        ("Confirmed", 1, '{"at_ms":1}'),
        ("Confirmed", 1, '{"at_ms":1,"reservation_id":"r","more":1}'),
        ("Confirmed", 1, "[]"),
        ("Confirmed", 1, "nonsense"),
        ("Confirmed", 0, '{"at_ms":1,"reservation_id":"r"}'),
    ],
)
def test_what_another_version_wrote_is_refused_with_its_place(kind, version, body):
    with pytest.raises(ParkingError, match=r"l\.db: 7: not an event of this version") as refused:
        decode(kind, version, body, where="l.db: 7")
    assert refused.value.reason == "BROKEN_LOG"


def test_what_cannot_be_kept_is_refused_when_it_is_written():
    @dataclass(frozen=True, slots=True)
    class Odd:
        at_ms: int
        things: set[int]

    with pytest.raises(TypeError, match="set cannot be kept"):
        encode(Odd(1, {2}))
    assert set(KINDS) == {kind.__name__ for kind in get_args(Event)}
