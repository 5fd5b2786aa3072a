"""The page of the API is what the proto files say, and names every call."""

import subprocess
import sys
from pathlib import Path

from parking.v1 import parking_pb2
from traffic.v1 import signal_timing_pb2

ROOT = Path(__file__).parent.parent


def test_the_page_is_current() -> None:
    words = [sys.executable, str(ROOT / "docs" / "generate_api.py"), "--check"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_call_and_every_field_is_explained() -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    for module in (signal_timing_pb2, parking_pb2):
        for service in module.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                assert f"\n### {method.name}\n" in page
        for message in module.DESCRIPTOR.message_types_by_name.values():
            assert f"\n### {message.name}\n" in page


def test_every_field_of_the_signal_service_has_a_comment() -> None:
    # In a process of its own: the compiler and OR-Tools do not get along in one.
    words = [sys.executable, str(ROOT / "docs" / "generate_api.py"), "--bare", "traffic.v1"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "")
