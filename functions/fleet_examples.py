"""Examples of the fleet: at 09:41 the machine of Alice's booking failed to start, and is held."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

At = Callable[[str, int], str]

Example = dict[str, Any]

WHY = "The client may stay longer"

BY_HAND: dict[str, Example] = {
    "MachineStart": {"reason": "A demonstration at noon"},
    "MachineHold": {"minutes": 120, "reason": WHY},
    "MachineExtend": {"minutes": 30, "reason": "They are still talking"},
    "MachineRelease": {"reason": "All is well again"},
}


def fleet_answers(at: At, booking_id: int, vm: str) -> dict[str, Example]:
    """By the name of their model; `at` gives a clock time of the day, or of so many days later."""
    booking = {
        "booking_id": booking_id,
        "tenant": "acme",
        "start_time": at("10:00", 0),
        "end_time": at("11:00", 0),
    }
    machine = _machine(at, booking, vm)
    incident = {
        "kind": "start_failed",
        "subject": vm,
        "since": at("09:31", 0),
        "data": {"vm": vm, "reason": "AllocationFailed"},
    }
    return {
        "DrillView": _drill(at, vm),
        "FleetPlan": _plan(at, booking, vm),
        "MachineView": machine,
        "FleetView": {
            "at": at("09:41", 0),
            "pool": 0,
            "inventory": "ok",
            "machines": [machine],
            "incidents": [incident],
            "waiting": [booking],
        },
    }


def _machine(at: At, booking: Example, vm: str) -> Example:
    return {
        "name": vm,
        "region": "westeurope",
        "spot": False,
        "capacity": 4,
        "state": "failed",
        "since": at("09:41", 0),
        "reason": "AllocationFailed: no capacity in the zone",
        "on_since": at("09:30", 0),
        "retry_at": at("09:42", 0),
        "accepting": True,
        "bookings": [{**booking, "room_made": False}],
        "manual": {
            "hold_until": at("12:00", 0),
            "exclude_until": at("09:45", 0),
            "by": "olga",
            "reason": WHY,
            "since": at("09:35", 0),
        },
    }


def _plan(at: At, booking: Example, vm: str) -> Example:
    on = {"start_time": at("09:30", 0), "end_time": at("11:15", 0)}
    hold = {"start_time": at("09:35", 0), "end_time": at("12:00", 0)}
    machine = {
        "name": vm,
        "region": "westeurope",
        "spot": False,
        "capacity": 4,
        "on": [{**on, "kind": "planned", "causes": ["bookings"]}],
        "holds": [{**hold, "reason": WHY}],
        "exclusions": [],
    }
    return {
        "start_time": at("00:00", 0),
        "end_time": at("00:00", 1),
        "at": at("00:00", 0),
        "complete": True,
        "machine_hours": 1.75,
        "ratio": 0.0729,
        "machines": [machine],
        "bookings": [{**booking, "machine": vm, "stage": "planned"}],
        "unplaced": [],
    }


def _drill(at: At, vm: str) -> Example:
    steps = {"start": 2.1, "ready": 96.4, "room": 0.02, "join": 0.11, "destroy": 0.01}
    return {
        "vm": vm,
        "by": "timer:fleet_drill",
        "started_at": at("03:12", 0),
        "ended_at": at("03:16", 0),
        "result": "ok",
        "reason": "",
        "steps": {**steps, "deallocate": 48.7},
        "change": {"start": 0.2, "ready": -3.1, "join": 0.01, "deallocate": 1.5},
    }
