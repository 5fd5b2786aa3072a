"""Driver keys: one form of a plate, keyed digests, rotation, erasing."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parking.errors import InvalidInputError
from parking.privacy import (
    MemoryDriverMap,
    Secrets,
    check_driver_key,
    lookup,
    phone,
    plate,
    register,
)

NOW = 1_795_390_000_000
OLD, NEW = b"o" * 32, b"n" * 32


@pytest.mark.parametrize(
    "text", ["鲁E·A1234", "鲁E A1234", "鲁ea1234", "鲁Ｅ-A1234", " 鲁E•A1234 "]
)
def test_a_plate_has_one_form(text):
    assert plate(text, where="plate") == "plate:鲁EA1234"


@pytest.mark.parametrize("text", ["138 1234 5678", "+8613812345678", "138-1234-5678"])
def test_a_phone_number_has_one_form(text):
    assert phone(text, where="phone") == "phone:+8613812345678"


@pytest.mark.parametrize(("read", "text"), [(plate, ""), (plate, "x" * 10**6), (phone, "12ab")])
def test_what_is_none_is_refused_without_repeating_it(read, text):
    with pytest.raises(InvalidInputError) as refused:
        read(text, where="field")
    assert refused.value.where == "field"
    assert not text or text[:4] not in str(refused.value)


@pytest.mark.parametrize("text", ["", "a b", "鲁EA1234", "13812345678", "+8613812345678", "x" * 65])
def test_what_cannot_be_a_driver_key(text):
    with pytest.raises(InvalidInputError) as refused:
        check_driver_key(text)
    assert not text or text not in str(refused.value)


def test_digests_are_keyed():
    (digest,) = Secrets(NEW).digests("plate:X")
    assert digest == hmac.new(NEW, b"plate:X", "sha256").digest()
    assert digest != hashlib.sha256(b"plate:X").digest()
    assert "n" * 32 not in repr(Secrets(NEW))


@pytest.mark.parametrize("secrets", [(b"short",), (NEW, b"short")])
def test_a_short_secret_is_refused(secrets):
    with pytest.raises(InvalidInputError):
        Secrets(*secrets)


def who(drivers, secrets, identifier):
    (key,) = lookup(drivers, secrets, [identifier]).result()
    return key


def test_a_driver_stays_the_same_over_a_rotation():
    drivers = MemoryDriverMap()
    key = register(drivers, Secrets(OLD), ["plate:X"], NOW).result()
    rotated = Secrets(NEW, OLD)
    assert who(drivers, rotated, "plate:X") == key
    assert register(drivers, rotated, ["plate:X"], NOW + 1).result() == key
    drivers.forget(NOW + 1).result()
    assert drivers.digests(key).result() == Secrets(NEW).digests("plate:X")
    assert who(drivers, Secrets(NEW), "plate:X") == key


def test_erasing_leaves_nothing_that_leads_to_the_key():
    drivers = MemoryDriverMap()
    key = register(drivers, Secrets(NEW), ["plate:X", "phone:1"], NOW).result()
    other = register(drivers, Secrets(NEW), ["plate:Y"], NOW).result()
    drivers.erase(key).result()
    assert drivers.digests(key).result() == ()
    assert lookup(drivers, Secrets(NEW), ["plate:X", "plate:Y"]).result() == (None, other)


def test_too_many_identifiers_are_refused():
    with pytest.raises(InvalidInputError):
        register(MemoryDriverMap(), Secrets(NEW), [f"plate:{k}" for k in range(9)], NOW)


@given(st.lists(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=3), max_size=12))
def test_one_identifier_leads_to_one_key_and_who_shares_none_stays_apart(people):
    drivers, secrets = MemoryDriverMap(), Secrets(NEW)
    last: dict[str, str] = {}
    for identifiers in people:
        known = [last[item] for item in identifiers if item in last]
        key = register(drivers, secrets, identifiers, NOW).result()
        assert key == known[0] if known else key not in last.values()
        last.update((item, key) for item in identifiers)
    for item, key in last.items():
        assert who(drivers, secrets, item) == key
