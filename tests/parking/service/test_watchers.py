"""Watchers are woken one by one."""

from parking.service.watchers import Watchers


async def test_only_who_waits_for_a_key_is_woken():
    watchers = Watchers()
    with watchers.watching("r:1", "d:x") as one, watchers.watching("r:2") as other:
        watchers.wake(["r:1"])
        assert (one.is_set(), other.is_set()) == (True, False)
        one.clear()
        watchers.wake(["d:x", "r:none"])
        assert one.is_set()
        watchers.wake_all()
        assert other.is_set()
    assert watchers._waiting == {}, "nothing is left of who has gone"
