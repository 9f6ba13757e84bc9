"""Janus processes on this computer: started, found again, stopped.

What lives is read from `/proc`: a Janus of ours runs with `-F <its folder>`, so one that was
started by a worker that has died since is found all the same, and a recycled pid never passes for
ours. The record in the folder says only what was last asked for, which tells a crash from a stop.
Everything here blocks: call it in a thread. Linux only.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import time
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

GRACE = 3.0
"""Seconds between SIGTERM and SIGKILL. Janus takes 0.6 s, more with sessions (m)."""

_KILLED = 2.0
"""Seconds until SIGKILL must have taken effect."""

_LOADED = 1.0
"""Seconds until a program that was started must have a command line."""

_POLL = 0.02
_RECORD = "process.json"
_LOG = "janus.log"
_LOG_TAIL = 16_384
_ERROR_LINE = re.compile(r"^(?:\[[^\]]*\] )?\[(?:ERR|FATAL)\] (?:\[[^\]]*\] )?(.+)$", re.MULTILINE)
_REFUSAL = re.compile(
    r"^((?:janus|sh|/bin/sh): .+|.*(?:GLib|GLib-GObject)-ERROR \*\*: .+|ERROR:.+)$", re.MULTILINE
)
"""What comes of the loader, the shell and GLib, which know nothing of Janus's levels."""
_BANNER = "Starting Meetecho Janus"
_FAULT = re.compile(
    r"error|fail|unknown|invalid|missing|can't|cannot|couldn't|no such", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Record:
    """The process that was last started in a folder. `born` is in clock ticks since the boot."""

    pid: int
    born: int
    boot: str
    stopping: bool = False


def running(root: Path) -> dict[Path, list[int]]:
    """The pids of the Januses whose folders lie under `root`; more than one never should."""
    found: dict[Path, list[int]] = {}
    for entry in os.listdir("/proc"):
        folder = _folder_of(int(entry)) if entry.isdigit() else None
        if folder and folder.is_relative_to(root):
            found.setdefault(folder, []).append(int(entry))
    return found


def folders(root: Path) -> set[Path]:
    """Where a Janus lives or was started, under `root`."""
    return {*running(root), *(path.parent for path in root.glob(f"*/{_RECORD}"))}


_LAUNCH = 'cd "$2" && ulimit -c 0 && exec "$1" -F "$2"'
"""In its folder, because Janus makes files where it stands, and without core dumps, which would
hold the keys."""


def spawn(folder: Path, binary: str) -> None:
    """Starts Janus on the configuration in `folder`, in a session of its own, detached from us.

    It gets none of our environment, which holds secrets. The log of the last run is kept as
    `janus.log.1`. Raises `FileNotFoundError` when there is no such program.
    """
    path = shutil.which(binary)
    if path is None:
        raise FileNotFoundError(binary)
    reap(folder)
    _forget(folder)
    log = folder / _LOG
    if log.exists():
        log.replace(folder / f"{_LOG}.1")
    pid = os.posix_spawn(
        "/bin/sh",
        ["/bin/sh", "-c", _LAUNCH, "sh", path, str(folder)],
        # GLib would take the folder's name for ASCII, as Janus sets no locale.
        {"PATH": os.defpath, "CHARSET": "UTF-8"},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigmask=[],
        # Python ignores SIGPIPE, which would be inherited.
        setsigdef=[signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGHUP],
    )
    born = _stat(pid).born
    # We continue as soon as the program is loaded, a moment before its command line can be read.
    deadline = time.monotonic() + _LOADED
    while _folder_of(pid) is None and not _ended(pid, born) and time.monotonic() < deadline:
        time.sleep(_POLL / 10)
    _write_record(folder, Record(pid, born, _boot()))


def stop(where: Collection[Path], grace: float = GRACE) -> bool:
    """Ends the Januses of these folders, also hung ones; returns whether all are gone."""
    victims = {folder: [(pid, _stat(pid).born) for pid in _pids(folder)] for folder in where}
    for folder in where:
        record = read_record(folder)
        if record:
            _write_record(folder, replace(record, stopping=True))
        # A stopped (SIGSTOP) process gets SIGTERM only once it continues.
        _signal(folder, signal.SIGTERM, signal.SIGCONT)
    if not _wait(victims, grace):
        for folder in where:
            _signal(folder, signal.SIGKILL)
        if not _wait(victims, _KILLED):
            return False
    for folder, pids in victims.items():
        reap(folder)
        for pid, _ in pids:
            _reap(pid)
        _forget(folder)
    return True


def read_record(folder: Path) -> Record | None:
    """None when nothing was started since the last stop, or since this computer's last boot."""
    try:
        record = Record(**json.loads((folder / _RECORD).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return record if record.boot == _boot() else None


def lives(record: Record) -> bool:
    return not _ended(record.pid, record.born)


def reap(folder: Path) -> None:
    """Clears away the process that was started here, should it be our child and have ended."""
    record = read_record(folder)
    if record and _stat(record.pid).born == record.born:
        _reap(record.pid)


def last_error(folder: Path) -> str:
    """`last error: …`, when the log of the last run has one; else that it has none."""
    try:
        with (folder / _LOG).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LOG_TAIL))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return "it left no log"
    if not text.strip():
        return "its log is empty"
    errors = _ERROR_LINE.findall(text) or _REFUSAL.findall(text) or _refused(text)
    return f"last error: {errors[-1].strip()[:300]}" if errors else "its log has no error"


def _refused(text: str) -> list[str]:
    """What Janus said, without a level, before it began to run."""
    if _BANNER in text or len(text) >= _LOG_TAIL:
        return []
    return [line for line in text.splitlines() if _FAULT.search(line)]


def _folder_of(pid: int) -> Path | None:
    """The folder of a Janus; None for any other process, and for one that has ended."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return None
    if len(arguments) != 4 or arguments[1] != b"-F":
        return None
    is_janus = os.path.basename(arguments[0]) == b"janus"
    return Path(os.fsdecode(arguments[2])) if is_janus else None


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _pids(folder: Path) -> list[int]:
    return running(folder).get(folder, [])


def _signal(folder: Path, *signals: signal.Signals) -> None:
    for pid in _pids(folder):
        with contextlib.suppress(ProcessLookupError):
            for number in signals:
                os.kill(pid, number)


def _wait(victims: Mapping[Path, list[tuple[int, int]]], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not all(_ended(pid, born) for pids in victims.values() for pid, born in pids):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL)
    return True


def _ended(pid: int, born: int) -> bool:
    """Its ports are free again too: the last of its threads closes them, and a killed process has
    no command line, or counts as a zombie, a moment before that."""
    stat = _stat(pid)
    return stat.born != born or (stat.state in "ZX" and stat.threads <= 1)


class _Stat(NamedTuple):
    state: str
    threads: int
    born: int


def _stat(pid: int) -> _Stat:
    """All zeros when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return _Stat("X", 0, 0)
    # Fields 3, 20 and 22; the second, the name in parentheses, may hold spaces.
    fields = text.rpartition(")")[2].split()
    return _Stat(fields[0], int(fields[17]), int(fields[19]))


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()


def _write_record(folder: Path, record: Record) -> None:
    path = folder / f"{_RECORD}.new"
    path.write_text(json.dumps(asdict(record)), "utf-8")
    path.replace(folder / _RECORD)


def _forget(folder: Path) -> None:
    (folder / _RECORD).unlink(missing_ok=True)
