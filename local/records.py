"""Who runs: a file per child process, so that the next run finds what a killed one left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path


def write_record(path: Path, pid: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{pid} {_started(pid)}")


def end_recorded(path: Path, patience: float = 15.0) -> bool:
    """Ends the recorded process if it still lives; says whether there was one. The time at which
    it started tells it from a stranger that got the same number since.

    Its leash has sent SIGTERM already: so it first gets the time to end by itself.
    """
    try:
        pid_text, _, started = path.read_text().partition(" ")
        pid = int(pid_text)
    except (OSError, ValueError):
        return False
    path.unlink()
    if not started or _started(pid) != started:
        return False
    for number in (signal.SIGTERM, signal.SIGKILL):
        if _gone(pid, started, patience):
            break
        _signal(pid, number)
    _gone(pid, started, patience)
    return True


def _gone(pid: int, started: str, patience: float) -> bool:
    deadline = time.monotonic() + patience
    while _started(pid) == started:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _started(pid: int) -> str:
    """When the process started, in whatever words the system has; empty: it does not run."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if after_name[0] in "ZX" else after_name[19]
    except OSError:
        if Path("/proc/self").exists():
            return ""
    listed = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return listed.stdout.strip()
