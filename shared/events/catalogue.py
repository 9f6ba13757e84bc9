"""The domain events: their names and their one envelope (design section 6)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.platform.clock import iso, parse
from shared.platform.tables import Value

PLATFORM_TENANT = "platform"
"""The tenant of events that concern operators and no customer (`vm.*`)."""


class EventType(StrEnum):
    BOOKING_CREATED = "booking.created"
    BOOKING_CANCELLED = "booking.cancelled"
    BOOKING_ENDED = "booking.ended"
    CALL_STARTED = "call.started"
    CALL_ENDED = "call.ended"
    VM_STARTED = "vm.started"
    VM_START_FAILED = "vm.start_failed"
    VM_DEALLOCATED = "vm.deallocated"
    VM_STOP_FAILED = "vm.stop_failed"


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
        return {"envelope": json.dumps(self.envelope(), ensure_ascii=False)}

    @classmethod
    def from_row(cls, data: Mapping[str, Value]) -> DomainEvent:
        body = json.loads(str(data["envelope"]))
        body["type"] = EventType(body["type"])
        body["time"] = parse(body["time"])
        return cls(**body)
