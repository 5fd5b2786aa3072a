"""Copies that share what is old, and see nothing of each other's changes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traffic.street import layered
from traffic.street.layered import Layered

STEPS = st.lists(st.tuples(st.booleans(), st.integers(0, 30), st.integers(0, 5)), max_size=80)


@given(STEPS, st.integers(0, 8))
def test_it_is_a_dictionary_and_copies_are_their_own(
    steps: list[tuple[bool, int, int]], few: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layered, "FEW", few)
        found: Layered[int, int] = Layered()
        plain: dict[int, int] = {}
        pairs = []
        for is_copied, key, value in steps:
            if is_copied:
                pairs.append((found, dict(plain)))
                found = found.copy()
            found[key] = value
            plain[key] = value
        for mine, expected in (*pairs, (found, plain)):
            assert dict(mine) == expected
            # Records come in the order in which they were made.
            assert list(mine) == list(expected)
            assert len(mine) == len(expected)
            assert [key in mine for key in range(31)] == [key in expected for key in range(31)]
    with pytest.raises(TypeError, match="for good"):
        del found[0]
    with pytest.raises(KeyError):
        found[99]
