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
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path

GRACE = 3.0
"""Seconds between SIGTERM and SIGKILL. Janus takes 0.6 s, more with sessions (m)."""

_KILLED = 2.0
"""Seconds until SIGKILL must have taken effect."""

_POLL = 0.02
_RECORD = "process.json"
_LOG = "janus.log"
_LOG_TAIL = 16_384
_ERROR_LINE = re.compile(r"^(?:\[[^\]]*\] )?\[(?:ERR|FATAL)\] (?:\[[^\]]*\] )?(.+)$", re.MULTILINE)


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


def spawn(folder: Path, binary: str) -> None:
    """Starts Janus on the configuration in `folder`, in a session of its own, detached from us.

    It gets none of our environment, which holds secrets. The log of the last run is kept as
    `janus.log.1`. Raises `FileNotFoundError` when there is no such program.
    """
    path = shutil.which(binary)
    if path is None:
        raise FileNotFoundError(binary)
    _forget(folder)
    log = folder / _LOG
    if log.exists():
        log.replace(folder / f"{_LOG}.1")
    pid = os.posix_spawn(
        path,
        [path, "-F", str(folder)],
        {"PATH": os.defpath, "LANG": "C.UTF-8"},
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
    _write_record(folder, Record(pid, _born(pid), _boot()))


def stop(where: Collection[Path], grace: float = GRACE) -> bool:
    """Ends the Januses of these folders, also hung ones; returns whether all are gone."""
    for folder in where:
        record = read_record(folder)
        if record:
            _write_record(folder, Record(**{**asdict(record), "stopping": True}))
        # A stopped (SIGSTOP) process gets SIGTERM only once it continues.
        _signal(folder, signal.SIGTERM, signal.SIGCONT)
    if not _wait(where, grace):
        for folder in where:
            _signal(folder, signal.SIGKILL)
        if not _wait(where, _KILLED):
            return False
    for folder in where:
        _forget(folder)
    return True


def read_record(folder: Path) -> Record | None:
    """None when nothing was started since the last stop, or since this computer's last boot."""
    try:
        record = Record(**json.loads((folder / _RECORD).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return record if record.boot == _boot() else None


def reap(folder: Path) -> None:
    """Clears away the process that was started here, should it be our child and have ended."""
    record = read_record(folder)
    if record and _born(record.pid) == record.born:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(record.pid, os.WNOHANG)


def last_error(folder: Path) -> str:
    """The last error in the log or, without any, its last line."""
    try:
        with (folder / _LOG).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LOG_TAIL))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return "it left no log"
    errors = _ERROR_LINE.findall(text) or text.strip().splitlines() or ["its log is empty"]
    return str(errors[-1]).strip()[:300]


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


def _pids(folder: Path) -> list[int]:
    return running(folder).get(folder, [])


def _signal(folder: Path, *signals: signal.Signals) -> None:
    for pid in _pids(folder):
        with contextlib.suppress(ProcessLookupError):
            for number in signals:
                os.kill(pid, number)


def _wait(where: Collection[Path], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while True:
        for folder in where:
            reap(folder)
        if not any(_pids(folder) for folder in where):
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL)


def _born(pid: int) -> int:
    """0 when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return 0
    # The 22nd field; the second, the name in parentheses, may hold spaces.
    return int(stat.rpartition(")")[2].split()[19])


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()


def _write_record(folder: Path, record: Record) -> None:
    path = folder / f"{_RECORD}.new"
    path.write_text(json.dumps(asdict(record)), "utf-8")
    path.replace(folder / _RECORD)


def _forget(folder: Path) -> None:
    (folder / _RECORD).unlink(missing_ok=True)
