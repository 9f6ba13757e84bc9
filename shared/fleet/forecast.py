"""Whether the machines suffice for what is booked in the coming two weeks. Each hour.

The calendar refuses what is above `Settings.pool_capacity`; but machines may have been excluded or
removed since, and more may be needed soon. Operators hear of it in time.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from shared.bookings.claims import Claim
from shared.bookings.service import Bookings
from shared.fleet.compute import Compute, ComputeError, Machine
from shared.fleet.incident_kinds import incident
from shared.fleet.incidents import Incidents
from shared.fleet.models import Incident, Override
from shared.fleet.store import FleetStore
from shared.platform import logs
from shared.platform.clock import Clock

if TYPE_CHECKING:
    from shared.platform.settings import Settings

AHEAD = timedelta(days=14)

SHORT, FULL = "capacity_short", "capacity_full"
"""Two kinds of incidents: what was told of a full calendar says nothing of machines that are
missing."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """During [start, end) so many bookings hold at the same time, at most, and the machines that
    can be used have so many places, at least."""

    start: datetime
    end: datetime
    bookings: int
    places: int

    @property
    def short(self) -> int:
        """Places that are missing."""
        return max(0, self.bookings - self.places)


def worst(
    claims: Sequence[Claim],
    machines: Sequence[Machine],
    overrides: Mapping[str, Override],
    window: tuple[datetime, datetime],
    lead: timedelta,
    full: float,
) -> Stretch | None:
    """The stretch of the window in which most places are missing, or else the fullest one with at
    least `full` bookings at the same time; the first of equal ones. None: there is neither."""
    tight: list[Stretch] = []
    for step in _steps(claims, machines, overrides, window, lead):
        if not step.short and step.bookings < max(full, 1):
            continue
        if tight and tight[-1].end == step.start:
            tight[-1] = _joined(tight[-1], step)
        else:
            tight.append(step)
    return max(tight, key=_severity, default=None)


def _severity(stretch: Stretch) -> tuple[int, int]:
    return stretch.short, stretch.bookings


def _busiest(claims: Sequence[Claim], window: tuple[datetime, datetime]) -> int:
    return max((step.bookings for step in _steps(claims, (), {}, window, timedelta(0))), default=0)


def _joined(first: Stretch, second: Stretch) -> Stretch:
    """One longer stretch, with the numbers of the worse one."""
    return replace(max(first, second, key=_severity), start=first.start, end=second.end)


def _steps(
    claims: Sequence[Claim],
    machines: Sequence[Machine],
    overrides: Mapping[str, Override],
    window: tuple[datetime, datetime],
    lead: timedelta,
) -> Iterator[Stretch]:
    """The window in order, cut wherever a booking begins or ends, or a machine comes back."""
    begin, end = window
    bookings, places = Counter[datetime]({begin: 0, end: 0}), Counter[datetime]()
    for claim in claims:
        start, stop = max(claim.start, begin), min(claim.end, end)
        if start < stop:
            bookings[start] += 1
            bookings[stop] -= 1
    for machine in machines:
        override = overrides.get(machine.name)
        back = max(override.closed(begin, lead), begin) if override else begin
        if back < end:
            places[back] += machine.capacity
    booked = carried = 0
    for start, stop in pairwise(sorted({*bookings, *places})):
        booked, carried = booked + bookings[start], carried + places[start]
        yield Stretch(start, stop, booked, carried)


class Forecast:
    def __init__(
        self,
        bookings: Bookings,
        store: FleetStore,
        compute: Compute,
        incidents: Incidents,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._bookings = bookings
        self._store = store
        self._compute = compute
        self._incidents = incidents
        self._settings = settings
        self._clock = clock

    async def run(self) -> None:
        """Tells operators when capacity has become short, and when it is no more. Without the list
        of machines nothing is known, and what was told stays. May raise `StorageUnavailable`."""
        settings, now = self._settings, self._clock.now()
        try:
            machines = await self._compute.machines(look=())
        except ComputeError as error:
            logs.event("fleet.forecast_blind", reason=error.message)
            return
        fleet = await self._store.load(settings.pool)
        # What began before may last until now, and is in the partition of its first day.
        since, until = now - settings.max_booking, now + AHEAD
        claims = await self._bookings.claims(settings.pool, since, until)
        usable = [m for m in machines if self._usable(m)]
        full = settings.capacity_warning * settings.pool_capacity
        stretch = worst(claims, usable, fleet.overrides, (now, until), settings.vm_lead, full)
        found = [self._incident(stretch, usable, now)] if stretch else []
        told = fleet.incidents.get(f"{FULL}|{settings.pool}")
        if told and stretch and stretch.short and _busiest(claims, (now, until)) >= full:
            found.append(told)  # it has become worse, which is not its end
        await self._incidents.update(fleet, found, {SHORT, FULL})

    def _usable(self, machine: Machine) -> bool:
        """Spot machines add no place, even where they may carry bookings: they are given no more
        than the standard ones could take over."""
        return machine.pool == self._settings.pool and not machine.spot

    def _incident(self, stretch: Stretch, usable: Sequence[Machine], now: datetime) -> Incident:
        settings = self._settings
        each = min((m.capacity for m in usable), default=settings.vm_capacity)
        # One that was set up to carry nothing says nothing of how many it takes.
        missing = math.ceil(stretch.short / max(each, 1))
        reason = "more is booked than the machines carry" if missing else "nearly all is booked"
        if not missing and stretch.bookings >= settings.pool_capacity:
            reason = "all is booked: the next booking is refused"
        return incident(
            SHORT if stretch.short else FULL,
            str(settings.pool),
            now,
            reason,
            "Add machines, or end what excludes some. The calendar's capacity may grow only where "
            "there are places for it.",
            start_time=stretch.start,
            end_time=stretch.end,
            bookings=stretch.bookings,
            places=stretch.places,
            pool_capacity=settings.pool_capacity,
            missing_machines=missing,
        )
