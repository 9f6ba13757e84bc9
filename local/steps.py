"""A slow command of the setup: shown while it runs, kept in a log, explained when it fails."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from local.terminal import Progress, Stop, say

SHOWN = 15
COMPLAINTS = ("npm error", "ERROR:", "E: ", "error:", "error TS")
NETWORK = (
    "ENOTFOUND",
    "EAI_AGAIN",
    "ETIMEDOUT",
    "ECONNREFUSED",
    "ECONNRESET",
    "Temporary failure",
    "Could not resolve",
    "NewConnectionError",
    "Read timed out",
)


def step(
    title: str, command: list[str], log: Path, *, cwd: Path, env: dict[str, str] | None = None
) -> None:
    """Runs `command` to its end; raises `Stop` with the tail of its output if it fails."""
    log.parent.mkdir(parents=True, exist_ok=True)
    progress = Progress(title)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,  # its children end with it; a new session would lose sudo's ticket
        )
        try:
            status = _watch(process, progress, log)
        except BaseException:
            progress.done("✗")
            _end(process)
            raise
    if status != 0:
        progress.done("✗")
        raise Stop(_explain(title, status, log))
    progress.done()


def _watch(process: subprocess.Popen[bytes], progress: Progress, log: Path) -> int:
    while True:
        try:
            return process.wait(0.2)
        except subprocess.TimeoutExpired:
            lines = [line for line in tail(log, 5) if "warn" not in line.lower()]
            progress.tick(lines[-1] if lines else "")


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    except (ProcessLookupError, PermissionError):  # gone, or root's: sudo passes its end on
        pass


def tail(log: Path, count: int) -> list[str]:
    """The last lines of a file that may be large, may still grow, or may not exist."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 16_000))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return []
    return [line.rstrip() for line in text.replace("\r", "\n").splitlines() if line.strip()][
        -count:
    ]


def _explain(title: str, status: int, log: Path) -> str:
    lines = tail(log, 500)
    for line in _telling(lines):
        say(f"    {line}")
    offline = any(word in line for word in NETWORK for line in lines)
    hint = " It could not reach the network: check the connection or the proxy." if offline else ""
    return f"{title}: failed with exit status {status}.{hint} Everything it printed is in {log}"


def _telling(lines: list[str]) -> list[str]:
    """From the first complaint on (npm, for one, ends with a page of usage), or the last lines."""
    for number, line in enumerate(lines):
        if line.startswith(COMPLAINTS):
            return lines[number:][:SHOWN]
    return lines[-SHOWN:]
