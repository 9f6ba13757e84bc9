"""What a killed run left behind is ended gently, and nobody else is."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.records import end_recorded, write_record

SAVES = """
import signal, sys, time
def save(number, frame):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # as in Azurite: a second one kills
    print("saving", flush=True)
    time.sleep(1)
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
print("up", flush=True)
time.sleep(60)
"""
DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(60)
"""


@pytest.fixture
def started(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", request.param]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "up\n"
        yield process
        process.kill()


@pytest.mark.parametrize("started", [SAVES], indirect=True)
def test_who_ends_already_is_not_told_twice(tmp_path: Path, started: subprocess.Popen[str]) -> None:
    record = tmp_path / "run" / "a.pid"
    write_record(record, started.pid)
    started.terminate()
    assert started.stdout
    assert started.stdout.readline() == "saving\n"
    assert end_recorded(record)
    assert started.wait() == 0
    assert not record.exists()


@pytest.mark.parametrize(("started", "status"), [(SAVES, 0), (DEAF, -9)], indirect=["started"])
def test_who_stays_is_told_and_then_killed(
    tmp_path: Path, started: subprocess.Popen[str], status: int
) -> None:
    record = tmp_path / "a.pid"
    write_record(record, started.pid)
    assert end_recorded(record, patience=2)
    assert started.wait() == status


@pytest.mark.parametrize("started", [SAVES], indirect=True)
def test_a_stranger_with_the_same_number_is_left_alone(
    tmp_path: Path, started: subprocess.Popen[str]
) -> None:
    record = tmp_path / "a.pid"
    for text in (f"{started.pid} 1", f"{started.pid} ", "", "tea"):
        record.write_text(text)
        assert not end_recorded(record)
    assert not end_recorded(tmp_path / "none")
    assert started.poll() is None
