"""What the fleet remembers of its machines: rows of one partition a pool, read in one query."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from shared.platform.clock import iso, parse
from shared.platform.tables import Row, Value

EPOCH = datetime.fromtimestamp(0, UTC)


class VmState(StrEnum):
    """READY means that Janus answers in signed mode, not that the machine is running. DRAINING: it
    is, has no booking to come, and goes off after those that it carries. One that comes makes it
    READY again, unless it is excluded."""

    DEALLOCATED = "deallocated"
    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    DEALLOCATING = "deallocating"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Vm:
    """A machine as the reconciler left it."""

    name: str
    state: VmState = VmState.DEALLOCATED
    since: datetime = EPOCH
    """Since when it is in this state; `reason` says why."""
    reason: str = ""
    needed_until: datetime = EPOCH
    """The end of the last booking that was here, without the margin."""
    retry_at: datetime = EPOCH
    """Until then a machine that failed is left alone."""
    failures: int = 0
    """Starts that failed in a row."""
    stop_failed: bool = False
    unready: bool = False
    """It was ready, and its Janus answers no longer."""
    accepting: bool = True
    """Whether its Janus opens new sessions."""
    on_since: datetime = EPOCH
    """The beginning of the stretch of on-time that the ledger does not have yet; EPOCH: it is off.
    """
    operation: str = ""
    """What `Compute.follow` takes, while something is under way."""
    janus_urls: tuple[str, ...] = ()
    admin_url: str = ""
    capacity: int = 0
    region: str = ""
    spot: bool = False
    etag: str = ""

    @property
    def rk(self) -> str:
        return f"v|{self.name}"

    @property
    def janus_url(self) -> str:
        return self.janus_urls[0]

    @property
    def serving(self) -> bool:
        """Its Janus answers."""
        return self.state in (VmState.READY, VmState.DRAINING)

    @property
    def on(self) -> bool:
        """It costs money."""
        return self.on_since > EPOCH

    def to_row(self) -> dict[str, Value]:
        return {
            "name": self.name,
            "state": self.state.value,
            **{name: iso(getattr(self, name)) for name in _VM_TIMES},
            **{name: getattr(self, name) for name in _VM_PLAIN},
            "janus_urls": json.dumps(self.janus_urls),
        }

    @classmethod
    def from_row(cls, row: Row) -> Vm:
        data: Mapping[str, Any] = row.data
        times: dict[str, Any] = {name: parse(data[name]) for name in _VM_TIMES}
        return cls(
            name=data["name"],
            state=VmState(data["state"]),
            janus_urls=tuple(json.loads(data["janus_urls"])),
            etag=row.etag,
            **times,
            **{name: data[name] for name in _VM_PLAIN},
        )


_VM_TIMES = ("since", "needed_until", "retry_at", "on_since")
_VM_PLAIN = (
    "reason",
    "failures",
    "stop_failed",
    "unready",
    "accepting",
    "operation",
    "admin_url",
    "capacity",
    "region",
    "spot",
)


def held_back(vm: Vm | None, now: datetime) -> bool:
    """Whether a machine that failed to start is left alone for now."""
    return vm is not None and vm.state is VmState.FAILED and now < vm.retry_at


@dataclass(frozen=True, slots=True)
class Placement:
    """A booking on a machine, `since` when it was put there. `made`: its room is there too."""

    booking_id: int
    vm: str
    room_id: int
    tenant: str
    start: datetime
    end: datetime
    since: datetime
    made: bool = False
    etag: str = ""

    @property
    def rk(self) -> str:
        return f"p|{self.booking_id}"

    def to_row(self) -> dict[str, Value]:
        return {
            "booking_id": self.booking_id,
            "vm": self.vm,
            "room_id": self.room_id,
            "tenant": self.tenant,
            "start": iso(self.start),
            "end": iso(self.end),
            "since": iso(self.since),
            "made": self.made,
        }

    @classmethod
    def from_row(cls, row: Row) -> Placement:
        data: Mapping[str, Any] = row.data
        return cls(
            booking_id=data["booking_id"],
            vm=data["vm"],
            room_id=data["room_id"],
            tenant=data["tenant"],
            start=parse(data["start"]),
            end=parse(data["end"]),
            since=parse(data["since"]),
            made=data["made"],
            etag=row.etag,
        )


@dataclass(frozen=True, slots=True)
class Override:
    """What a person (or the weekly drill) has decided about a machine. Both end by themselves;
    EPOCH: not decided.

    Until `hold_until` it stays on. Until `exclude_until` no booking is put on it, and those that
    may move leave it. `by` is the actor as the audit trail names it (`timer:fleet_drill`).
    """

    vm: str
    hold_since: datetime = EPOCH
    hold_until: datetime = EPOCH
    exclude_until: datetime = EPOCH
    by: str = ""
    reason: str = ""
    at: datetime = EPOCH
    etag: str = ""

    @property
    def rk(self) -> str:
        return f"r|{self.vm}"

    def held(self, now: datetime) -> bool:
        return now < self.hold_until

    def excluded(self, now: datetime) -> bool:
        return now < self.exclude_until

    def closed(self, now: datetime, lead: timedelta) -> datetime:
        """Bookings that start before this would need the machine while it is excluded: it has to
        be on, and to hold their rooms, `lead` before."""
        return self.exclude_until + lead if self.excluded(now) else EPOCH

    def to_row(self) -> dict[str, Value]:
        times = {name: iso(getattr(self, name)) for name in _OVERRIDE_TIMES}
        return {"vm": self.vm, **times, "by": self.by, "reason": self.reason}

    @classmethod
    def from_row(cls, row: Row) -> Override:
        data: Mapping[str, Any] = row.data
        times = {name: parse(data[name]) for name in _OVERRIDE_TIMES}
        return cls(vm=data["vm"], by=data["by"], reason=data["reason"], etag=row.etag, **times)


_OVERRIDE_TIMES = ("hold_since", "hold_until", "exclude_until", "at")


@dataclass(frozen=True, slots=True)
class Incident:
    """Something is wrong since `since`, and operators were told when it began. `key` is
    `<kind>|<what it is about>`, `data` what the event told."""

    key: str
    since: datetime
    data: Mapping[str, Any]
    etag: str = ""

    @property
    def kind(self) -> str:
        return self.key.partition("|")[0]

    @property
    def rk(self) -> str:
        return f"s|{self.key}"

    def to_row(self) -> dict[str, Value]:
        data = json.dumps(dict(self.data), ensure_ascii=False)
        return {"key": self.key, "since": iso(self.since), "data": data}

    @classmethod
    def from_row(cls, row: Row) -> Incident:
        data: Mapping[str, Any] = row.data
        return cls(data["key"], parse(data["since"]), json.loads(data["data"]), row.etag)


@dataclass(frozen=True, slots=True)
class Fleet:
    """One pool as read."""

    pool: int
    vms: Mapping[str, Vm] = field(default_factory=dict)
    placements: Mapping[int, Placement] = field(default_factory=dict)
    overrides: Mapping[str, Override] = field(default_factory=dict)
    incidents: Mapping[str, Incident] = field(default_factory=dict)
    drill: Row | None = None
    """The row of the drill that is going on (`shared/fleet/drill.py`)."""

    def on(self, vm: str) -> list[Placement]:
        return [p for p in self.placements.values() if p.vm == vm]

    def override(self, vm: str) -> Override:
        return self.overrides.get(vm) or Override(vm)
