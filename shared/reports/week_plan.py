"""The coming week for operators: what is booked, which machines it takes, what has changed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.bookings.models import State
from shared.bookings.service import Bookings
from shared.fleet.plan_view import Carried, PlanView
from shared.fleet.planning import Planning
from shared.platform.clock import iso
from shared.platform.intervals import peak
from shared.platform.waiting import spread
from shared.reports.changes import FIRST, Changes, Noted, Notes, changes, notes, told
from shared.reports.fitting import fitted
from shared.reports.models import hours
from shared.reports.periods import local_day, midnight

if TYPE_CHECKING:
    from shared.platform.settings import Settings

WEEK = timedelta(days=7)
SECOND = timedelta(seconds=1)

MOST_TIMES = 150
"""Stretches of on-time that are named."""

MOST_ASKED = 500
"""Bookings that are looked up because they are gone from where they were; the others count as
cancelled."""


class WeekPlans:
    def __init__(self, planning: Planning, bookings: Bookings, settings: Settings) -> None:
        self._planning = planning
        self._bookings = bookings
        self._settings = settings

    async def make(
        self, now: datetime, until: datetime, before: Notes | None
    ) -> tuple[dict[str, Any], Notes]:
        """The event's data for [now, until), and what the next plan should know."""
        horizon = until + WEEK
        view, claims = await asyncio.gather(
            self._planning.plan(now, until),
            self._bookings.claims(self._settings.pool, now, horizon),
        )
        after = notes(now, horizon, claims)
        data = await asyncio.to_thread(plan_data, view, self._settings.time_zone)
        if before and before.horizon > now:
            found = changes(before, after, until)
            data["changes"] = await self._told(found)
        times = data.pop("on_times")  # the longest of all comes last
        return fitted({**data, "on_times": times}), after

    async def _told(self, found: Changes) -> dict[str, Any]:
        moved, cancelled = [*found.moved], [*found.gone[MOST_ASKED:]]
        asked = found.gone[:MOST_ASKED]
        for one, now in zip(asked, await spread(self._now, asked), strict=True):
            if now:
                moved.append((one, now))
            else:
                cancelled.append(one)
        shown = {
            "added": [told(one) for one in found.added[:FIRST]],
            "cancelled": [told(one) for one in cancelled[:FIRST]],
            "moved": [told(now, before) for before, now in moved[:FIRST]],
        }
        counts = {"added": found.added, "cancelled": cancelled, "moved": moved}
        return {
            "since": iso(found.since),
            **{f"{name}_count": len(each) for name, each in counts.items()},
            **shown,
        }

    async def _now(self, one: Noted) -> Noted | None:
        """Where it has moved to; None when it is no more."""
        stored = await self._bookings.find(one.tenant, one.booking_id)
        if stored is None or stored.booking.state is not State.ACTIVE:
            return None
        booking = stored.booking
        return Noted(one.booking_id, one.tenant, booking.start, booking.end)


def plan_data(view: PlanView, zone: str) -> dict[str, Any]:
    bookings = _each(view)
    times = [
        {"vm": machine.name, "start": iso(on.start), "end": iso(on.end)}
        for machine in view.machines
        for on in machine.on
    ]
    times.sort(key=lambda one: (one["start"], one["vm"]))
    machines = [m for m in view.machines if m.on]
    days = _days(view, bookings, zone)
    return {
        "since": iso(view.since),
        "until": iso(view.until),
        "time_zone": zone,
        "complete": view.complete,
        "bookings": len(bookings),
        "without_machine": len({b.booking_id for b in view.unplaced}),
        "peak": max((day["peak"] for day in days), default=0),
        "machine_hours": round(view.machine_hours, 2),
        "days": days,
        "machine_count": len(machines),
        "machines": [
            {
                "vm": machine.name,
                "region": machine.region,
                "hours": _hours(sum((on.end - on.start for on in machine.on), timedelta())),
                "starts": len(machine.on),
            }
            for machine in machines
        ],
        "on_time_count": len(times),
        "on_times": times[:MOST_TIMES],
    }


def _each(view: PlanView) -> list[Carried]:
    """Each booking once: one that moves is with several machines."""
    found: dict[int, Carried] = {}
    for one in [*view.bookings, *view.unplaced]:
        found.setdefault(one.booking_id, one)
    return [*found.values()]


def _days(view: PlanView, bookings: Sequence[Carried], zone: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    day = local_day(view.since, zone)
    while day <= local_day(view.until - SECOND, zone):
        start = max(view.since, midnight(day, zone))
        end = min(view.until, midnight(day + timedelta(days=1), zone))
        on = sum(
            (
                max(timedelta(), min(one.end, end) - max(one.start, start))
                for machine in view.machines
                for one in machine.on
            ),
            timedelta(),
        )
        today = [b for b in bookings if b.start < end and start < b.end]
        found.append(
            {
                "day": day.isoformat(),
                "bookings": sum(start <= b.start for b in today),
                "peak": peak(today, start, end),
                "machine_hours": _hours(on),
            }
        )
        day += timedelta(days=1)
    return found


def _hours(length: timedelta) -> float:
    return hours(round(length.total_seconds()))
