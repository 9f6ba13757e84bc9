"""The kinds of incidents, and what is told of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.events.catalogue import EventType
from shared.fleet.models import Incident
from shared.platform.clock import iso


@dataclass(frozen=True, slots=True)
class Kind:
    """How a kind of incident is told; `by` is who notices it."""

    event: EventType
    severity: str
    by: str = "timer:fleet_tick"


KINDS: Mapping[str, Kind] = {
    "not_ready": Kind(EventType.BOOKING_NOT_READY, "error"),
    "start_failed": Kind(EventType.VM_START_FAILED, "error"),
    "not_answering": Kind(EventType.VM_NOT_ANSWERING, "error"),
    "stop_failed": Kind(EventType.VM_STOP_FAILED, "error"),
    "overrun": Kind(EventType.CALL_OVERRUN, "warning"),
    "manual_hold": Kind(EventType.VM_HOLD_LONG, "warning"),
    "capacity_short": Kind(EventType.FLEET_CAPACITY_WARNING, "warning", "timer:fleet_forecast"),
    "capacity_full": Kind(EventType.FLEET_CAPACITY_WARNING, "warning", "timer:fleet_forecast"),
}


def incident(
    kind: str, name: str, since: datetime, reason: str, next_step: str, **details: Any
) -> Incident:
    """`name`: of the machine, the booking or the pool. `next_step`: what an operator should do, one
    sentence. `details`: what they need for it, as it stands in the event; an empty one is left out.
    """
    told = {key: iso(v) if isinstance(v, datetime) else v for key, v in details.items()}
    data = {
        "kind": kind,
        "subject": f"{_SUBJECTS.get(kind, 'vm')}/{name}",
        "reason": reason,
        "since": iso(since),
        "next_step": next_step,
        **{key: value for key, value in told.items() if value != ""},
    }
    return Incident(f"{kind}|{name}", since, data)


_SUBJECTS = {
    "not_ready": "booking",
    "overrun": "booking",
    "capacity_short": "pool",
    "capacity_full": "pool",
}
