"""What the fleet remembers of its machines, and which machine carries which booking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from shared.platform.clock import iso, parse
from shared.platform.tables import Row, Value

EPOCH = datetime.fromtimestamp(0, UTC)


class VmState(StrEnum):
    """READY means that Janus answers in signed mode, not that the machine is running."""

    DEALLOCATED = "deallocated"
    STARTING = "starting"
    READY = "ready"
    DEALLOCATING = "deallocating"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Vm:
    """`since` and `reason` tell of the present state. `needed_until` is the end of the last booking
    that was here, without the margin. `retry_at` holds back a machine that failed. `unready`: it
    was ready, and its Janus answers no longer."""

    name: str
    state: VmState = VmState.DEALLOCATED
    since: datetime = EPOCH
    reason: str = ""
    needed_until: datetime = EPOCH
    retry_at: datetime = EPOCH
    failures: int = 0
    stop_failed: bool = False
    unready: bool = False
    janus_url: str = ""
    admin_url: str = ""
    etag: str = ""

    @property
    def rk(self) -> str:
        return f"v|{self.name}"

    def to_row(self) -> dict[str, Value]:
        return {
            "name": self.name,
            "state": self.state.value,
            "since": iso(self.since),
            "reason": self.reason,
            "needed_until": iso(self.needed_until),
            "retry_at": iso(self.retry_at),
            "failures": self.failures,
            "stop_failed": self.stop_failed,
            "unready": self.unready,
            "janus_url": self.janus_url,
            "admin_url": self.admin_url,
        }

    @classmethod
    def from_row(cls, row: Row) -> Vm:
        data: Mapping[str, Any] = row.data
        return cls(
            name=data["name"],
            state=VmState(data["state"]),
            since=parse(data["since"]),
            reason=data["reason"],
            needed_until=parse(data["needed_until"]),
            retry_at=parse(data["retry_at"]),
            failures=data["failures"],
            stop_failed=data["stop_failed"],
            unready=data["unready"],
            janus_url=data["janus_url"],
            admin_url=data["admin_url"],
            etag=row.etag,
        )


def held_back(vm: Vm | None, now: datetime) -> bool:
    """Whether a machine that failed to start is left alone for now."""
    return vm is not None and vm.state is VmState.FAILED and now < vm.retry_at


@dataclass(frozen=True, slots=True)
class Placement:
    """A booking on a machine. `made` says that its room was made there."""

    booking_id: int
    vm: str
    room_id: int
    tenant: str
    start: datetime
    end: datetime
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
            made=data["made"],
            etag=row.etag,
        )


@dataclass(frozen=True, slots=True)
class Fleet:
    """One pool as read."""

    pool: int
    vms: Mapping[str, Vm] = field(default_factory=dict)
    placements: Mapping[int, Placement] = field(default_factory=dict)

    def on(self, vm: str) -> list[Placement]:
        return [p for p in self.placements.values() if p.vm == vm]
