"""How many bookings a second when all want the same day, and when nobody does."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.bookings.payloads import BookingCreate
from shared.bootstrap import Services
from shared.platform.problems import Problem
from tests.load.operations import HOUR, Site

PROCESSES = 3
WRITERS = 24
BOOKINGS = 4
"""That each writer makes, one after the other."""


@dataclass(frozen=True)
class Race:
    """`commits`: transactions that one booking took. `away`: how often a writer was asked to come
    back."""

    bookings_a_second: float
    commits: float
    away: int


@dataclass(frozen=True)
class Contest:
    apart: Race
    together: Race

    def lines(self) -> list[str]:
        ratio = self.together.bookings_a_second / self.apart.bookings_a_second
        return [
            f"{WRITERS} writers in {PROCESSES} processes, {BOOKINGS} bookings each, on one day:",
            f"{ratio:.2f} times the bookings a second of as many on days of their own;",
            f"{self.together.commits:.1f} transactions a booking instead of "
            f"{self.apart.commits:.1f}; asked to come back {self.together.away} times",
        ]


async def contest(site: Site) -> Contest:
    processes = _processes(site)
    await site.open()
    own = [site.day() for _ in range(WRITERS)]
    one = site.day()
    await _race(site, processes, own.__getitem__)  # connects
    apart = await _race(site, processes, own.__getitem__)
    return Contest(apart, await _race(site, processes, lambda _: one))


def _processes(site: Site) -> list[Services]:
    """Services that share the storage and nothing else, like processes do."""
    ports = site.services.ports
    return [
        Services(site.world.settings, replace(ports, random=random.Random(number)))
        for number in range(PROCESSES)
    ]


async def _race(site: Site, processes: list[Services], day_of: Callable[[int], datetime]) -> Race:
    site.recorder.clear()
    begin = time.perf_counter()
    away = await asyncio.gather(
        *(_writer(site, processes[n % PROCESSES], day_of(n)) for n in range(WRITERS))
    )
    seconds, bookings = time.perf_counter() - begin, WRITERS * BOOKINGS
    return Race(bookings / seconds, site.recorder.verbs["commit"] / bookings, sum(away))


async def _writer(site: Site, services: Services, day: datetime) -> int:
    """How often it was asked to come back."""
    away = 0
    for number in range(BOOKINGS):
        start = day + timedelta(hours=number)
        request = BookingCreate(start_time=start, end_time=start + HOUR)
        while not await _booked(site, services, request):
            away += 1
            await asyncio.sleep(1)  # as Retry-After says
    return away


async def _booked(site: Site, services: Services, request: BookingCreate) -> bool:
    try:
        await services.bookings.create(site.caller, request, "")
    except Problem as problem:
        if problem.code != "calendar_busy":
            raise
        return False
    return True
