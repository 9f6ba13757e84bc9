"""What processes and the whole machine use of the processors, read from `/proc`."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
CORES = os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Reading:
    """Seconds of one core, each since its own beginning."""

    at: float
    groups: dict[str, float]
    busy: float
    stolen: float
    """Wanted by this virtual machine and given to others of its host."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Per cent of one core, between two readings."""

    seconds: float
    groups: dict[str, float]
    others: float
    """What is in no group: other programs, and the kernel's own work."""
    stolen: float
    idle: float


def read(groups: Mapping[str, Collection[int]]) -> Reading:
    """Of the processes of each group, by their ids."""
    user, nice, system, _idle, _wait, irq, softirq, steal = _machine()
    return Reading(
        at=time.monotonic(),
        groups={name: sum(_process(pid) for pid in pids) for name, pids in groups.items()},
        busy=(user + nice + system + irq + softirq) / TICKS,
        stolen=steal / TICKS,
    )


def between(first: Reading, last: Reading) -> Usage:
    seconds = last.at - first.at
    percent = 100 / seconds
    groups = {n: (last.groups[n] - first.groups[n]) * percent for n in last.groups}
    busy = (last.busy - first.busy) * percent
    stolen = (last.stolen - first.stolen) * percent
    return Usage(
        seconds=seconds,
        groups=groups,
        others=max(0.0, busy - sum(groups.values())),
        stolen=stolen,
        idle=max(0.0, 100 * CORES - busy - stolen),
    )


def memory(pid: int) -> float:
    """Resident megabytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def dropped(pid: int) -> int:
    """Datagrams that the kernel threw away because the process did not fetch them in time."""
    sockets = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        target = os.readlink(entry)
        if target.startswith("socket:["):
            sockets.add(target[8:-1])
    lost = 0
    for table in ("udp", "udp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            lost += int(fields[12]) if fields[9] in sockets else 0
    return lost


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if "model name" in line), "?")


def _machine() -> list[int]:
    return [int(field) for field in Path("/proc/stat").read_text().split()[1:9]]


def _process(pid: int) -> float:
    # The second field, the name in parentheses, may hold spaces.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
