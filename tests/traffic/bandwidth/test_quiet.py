"""Solvers' own words stay off the standard output."""

import os
import threading

import pytest

from traffic.bandwidth.quiet import quiet


def test_what_a_library_writes_goes_to_the_standard_error(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Also nested; afterwards the standard output is itself again."""
    with quiet():
        os.write(1, b"one ")
        with quiet():
            os.write(1, b"two ")
        os.write(1, b"three")
    os.write(1, b"answer")
    shown = capfd.readouterr()
    assert shown.out == "answer"
    assert shown.err == "one two three"


def test_uses_in_several_threads_share_one_change(capfd: pytest.CaptureFixture[str]) -> None:
    """The first one out must not hand the output back while another is inside."""
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with quiet():
            inside.set()
            leave.wait()
            os.write(1, b"late")

    thread = threading.Thread(target=other)
    with quiet():
        thread.start()
        inside.wait()
    leave.set()
    thread.join()
    os.write(1, b"answer")
    shown = capfd.readouterr()
    assert (shown.out, shown.err) == ("answer", "late")
