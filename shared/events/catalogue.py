"""The domain events: their names and their one envelope (design section 6)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.platform.clock import iso, parse
from shared.platform.tables import Value


class EventType(StrEnum):
    API_KEY_CREATED = "api_key.created"
    API_KEY_REVOKED = "api_key.revoked"
    BOOKING_CREATED = "booking.created"
    BOOKING_CANCELLED = "booking.cancelled"
    BOOKING_ENDED = "booking.ended"
    BOOKING_EXTENDED = "booking.extended"
    BOOKING_NOT_READY = "booking.not_ready"
    BOOKING_REMINDER = "booking.reminder"
    BOOKING_RESCHEDULED = "booking.rescheduled"
    INVITE_CREATED = "invite.created"
    INVITE_REVOKED = "invite.revoked"
    ROOM_CREATED = "room.created"
    ROOM_DELETED = "room.deleted"
    ROOM_PASSWORD_RESET = "room.password_reset"  # noqa: S105 (an event's name)
    SERIES_CREATED = "series.created"
    CALL_STARTED = "call.started"
    CALL_ENDED = "call.ended"
    CALL_OVERRUN = "call.overrun"
    FLEET_CAPACITY_WARNING = "fleet.capacity_warning"
    FLEET_DRILL = "fleet.drill"
    FLEET_DRILL_STARTED = "fleet.drill_started"
    FLEET_PLAN = "fleet.plan"
    FLEET_RECOVERED = "fleet.recovered"
    REPORT_WEEKLY = "report.weekly"
    REPORT_MONTHLY = "report.monthly"
    VM_STARTED = "vm.started"
    VM_START_FAILED = "vm.start_failed"
    VM_NOT_ANSWERING = "vm.not_answering"
    VM_DEALLOCATED = "vm.deallocated"
    VM_STOP_FAILED = "vm.stop_failed"
    VM_OVERRIDDEN = "vm.overridden"
    VM_LOST = "vm.lost"
    VM_HOLD_LONG = "vm.hold_long"


@dataclass(frozen=True, slots=True)
class Audit:
    """Who did it, and from which address (webrtc-streaming.md 7.7): for the audit trail alone,
    no receiver of events ever sees it. A timer's actor is `timer:<its name>`."""

    actor: str
    action: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class DomainEvent:
    """`id` is stable over retries, so that a receiver can drop what it has seen."""

    id: str
    type: EventType
    time: datetime
    tenant: str
    subject: str
    data: Mapping[str, Any]
    severity: str = "info"
    context: Mapping[str, Any] = field(default_factory=dict)
    audit: Audit | None = None

    def envelope(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "type": self.type.value,
            "time": iso(self.time),
            "tenant": self.tenant,
            "severity": self.severity,
            "subject": self.subject,
            "context": dict(self.context),
            "data": dict(self.data),
        }

    def to_row(self) -> dict[str, Value]:
        row: dict[str, Value] = {"envelope": json.dumps(self.envelope(), ensure_ascii=False)}
        if self.audit:
            row["audit"] = json.dumps(asdict(self.audit), ensure_ascii=False)
        return row

    @classmethod
    def from_row(cls, data: Mapping[str, Value]) -> DomainEvent:
        body = json.loads(str(data["envelope"]))
        body["type"] = EventType(body["type"])
        body["time"] = parse(body["time"])
        audit = Audit(**json.loads(str(data["audit"]))) if "audit" in data else None
        return cls(**body, audit=audit)
