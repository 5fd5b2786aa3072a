"""Pages of lists, also of what comes and goes."""

import pytest

from traffic.errors import InvalidInputError
from traffic.service.fields import check_request_id, page, page_of_passing


def test_pages_follow_each_other() -> None:
    ids = [f"{k:03}" for k in range(7)]
    for cut in (page, page_of_passing):
        found: list[str] = []
        token = ""
        while not found or token:
            rows, token = cut(ids, 3, token)
            found += rows
        assert found == ids
        with pytest.raises(InvalidInputError, match="page_size"):
            cut(ids, 1001, "")
    with pytest.raises(InvalidInputError, match="page_token"):
        page(ids, 3, "0021")


def test_a_page_goes_on_where_its_token_is_gone_meanwhile() -> None:
    ids = ["a", "b", "c", "d"]
    _, token = page_of_passing(ids, 2, "")
    assert token == "b"
    assert page_of_passing(["a", "c", "d"], 2, token) == (["c", "d"], "")
    assert page_of_passing(["a"], 2, token) == ([], "")


def test_no_token_that_was_given_out_is_refused_however_long_ids_are() -> None:
    # As SUMO names the joined junctions of a large crossing.
    ids = [f"cluster_{k}_{'1234567890_' * 200}" for k in range(5)]
    rows, token = page_of_passing(ids, 3, "")
    assert token == rows[-1] == ids[2]
    assert page_of_passing(ids, 3, token) == (ids[3:], "")


def test_a_request_id_is_a_uuid() -> None:
    check_request_id("0b9f2b52-5a53-4a4d-8c53-6f4b3f2e8a10")
    for wrong in ("", "...", "7"):
        with pytest.raises(InvalidInputError, match=r"^request_id: '.*'; expected a UUID$"):
            check_request_id(wrong)
