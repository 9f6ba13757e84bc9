"""`python3 -m local.checks check|test`: runs each command, even after one has failed.

What they leave running becomes a child of this process (Linux), which ends it and says so.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import signal
import sys
import time
from pathlib import Path

from local.terminal import end_with, say

ROOT = Path(__file__).parent.parent
PYTHON = (sys.executable, "-m")
CODE = ("functions", "shared", "local", "function_app.py")
COMMANDS = {
    "check": (
        (*PYTHON, "ruff", "format", "--check", "."),
        (*PYTHON, "ruff", "check", "."),
        (*PYTHON, "mypy", "--strict", *CODE),
        ("npm", "--prefix", "web", "run", "--silent", "check"),
    ),
    "test": (
        # By halves in their order: one process has the real systems, mostly waiting, the other one
        # what calculates. (Other ways of sharing go by ids, which schemathesis' tests don't have.)
        (*PYTHON, "pytest", "--numprocesses", "2", "--dist", "worksteal"),
        ("npm", "--prefix", "web", "test"),
    ),
}
PR_SET_CHILD_SUBREAPER = 36
PATIENCE = 10.0
"""Seconds between SIGTERM and SIGKILL for what was left running."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m local.checks", description=__doc__)
    parser.add_argument("goal", choices=sorted(COMMANDS))
    goal = parser.parse_args().goal
    os.chdir(ROOT)
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):  # a test may call make
        os.environ.pop(name, None)
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        failed = [command for command in COMMANDS[goal] if _run(command) != 0]
    finally:
        _end_leftovers()
    for command in failed:
        say(f"Failed: {_shown(command)}")
    return 1 if failed else 0


def _run(command: tuple[str, ...]) -> int:
    """Its exit status. Reaps whatever orphan ends meanwhile, as process 1 would."""
    say(f"▶ {_shown(command)}")
    pid = os.posix_spawnp(command[0], command, os.environ)
    while True:
        ended, status = os.wait()
        if ended == pid:
            return os.waitstatus_to_exitcode(status)


def _shown(command: tuple[str, ...]) -> str:
    return " ".join(command).replace(sys.executable, "python")


def _end_leftovers() -> None:
    deadline = time.monotonic() + PATIENCE
    told: set[int] = set()
    while children := _children():
        for pid in children - told:
            say(f"Ending what a test left running: {_command_line(pid)}")
            _signal(pid, signal.SIGTERM)
        told |= children
        if time.monotonic() > deadline:
            for pid in children:
                _signal(pid, signal.SIGKILL)
        time.sleep(0.1)


def _children() -> set[int]:
    """The living ones; reaps the dead."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    listed = Path(f"/proc/self/task/{os.getpid()}/children")
    return {int(pid) for pid in listed.read_text().split()} if listed.exists() else set()


def _command_line(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
    except OSError:
        return f"process {pid}"
    return words.decode("utf-8", "replace").strip()[:200]


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


if __name__ == "__main__":
    end_with(main)
