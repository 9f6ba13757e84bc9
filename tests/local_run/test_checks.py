"""`make check` and `make test` run everything, say what failed, and leave nothing running."""

from __future__ import annotations

import subprocess
import sys
import time

from local.checks import COMMANDS
from tests.local_run.project import processes_of
from tests.tree import ENVIRONMENT, REPO

SCRIPT = """
import sys
from local import checks
from local.terminal import end_with
checks.COMMANDS["test"] = tuple(("sh", "-c", script) for script in sys.argv[2:])
sys.argv[2:] = []
checks.PATIENCE = 1.0
end_with(checks.main)
"""


def checks(*scripts: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SCRIPT, "test", *scripts]
    return subprocess.run(
        command, cwd=REPO, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )


def test_goes_on_after_a_failure_and_names_it() -> None:
    found = checks("echo one; exit 3", "echo two")
    assert found.returncode == 1
    assert found.stdout == "one\ntwo\n"
    assert found.stderr.endswith("Failed: sh -c echo one; exit 3\n")


def test_ends_orphans_even_stubborn_ones() -> None:
    mark = f"86{time.monotonic_ns() % 100_000}"
    orphan = f"trap '' TERM; sleep {mark}; sleep {mark}"
    found = checks(f'(setsid sh -c "{orphan}" >&- 2>&- &); sleep 0.5')
    assert found.returncode == 0
    assert "Ending what a test left running" in found.stderr
    assert not [line for line in processes_of(REPO) if mark in line]


def test_every_tool_of_the_repository_is_used() -> None:
    checked = " ".join(word for command in COMMANDS["check"] for word in command)
    for tool in ("ruff format --check", "ruff check", "mypy --strict", "npm --prefix web run"):
        assert tool in checked
    tested = " ".join(word for command in COMMANDS["test"] for word in command)
    for tool in ("-m pytest", "npm --prefix web test"):
        assert tool in tested
