"""A plan as the API tells it."""

from __future__ import annotations

from collections.abc import Iterable

from shared.fleet.payloads import FleetPlan, MarkView, OnView, PlannedBooking, PlannedMachine
from shared.fleet.plan_view import Carried, MachineRow, Mark, PlanView


def plan_answer(view: PlanView) -> FleetPlan:
    """Takes a moment when there are thousands of bookings."""
    return FleetPlan(
        start_time=view.since,
        end_time=view.until,
        at=view.now,
        complete=view.complete,
        machine_hours=round(view.machine_hours, 3),
        ratio=round(view.ratio, 4),
        machines=[_machine(machine) for machine in view.machines],
        bookings=_bookings(view.bookings),
        unplaced=_bookings(view.unplaced),
    )


def _machine(machine: MachineRow) -> PlannedMachine:
    return PlannedMachine(
        name=machine.name,
        region=machine.region,
        spot=machine.spot,
        capacity=machine.capacity,
        on=[
            OnView(
                start_time=on.start,
                end_time=on.end,
                kind="actual" if on.actual else "planned",
                causes=[cause.value for cause in sorted(on.causes)],
                lost=True if on.lost else None,
            )
            for on in machine.on
        ],
        holds=_marks(machine.holds),
        exclusions=_marks(machine.exclusions),
    )


def _marks(marks: Iterable[Mark]) -> list[MarkView]:
    return [MarkView(start_time=m.start, end_time=m.end, reason=m.reason) for m in marks]


def _bookings(bookings: Iterable[Carried]) -> list[PlannedBooking]:
    return [
        PlannedBooking(
            booking_id=b.booking_id,
            tenant=b.tenant,
            machine=b.vm or None,
            start_time=b.start,
            end_time=b.end,
            stage=b.stage.value,
            moved_from=b.came_from or None,
            moved_to=b.went_to or None,
        )
        for b in bookings
    ]
