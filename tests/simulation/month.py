"""A month of the whole system on the fake clock, with everything that goes wrong in one."""

from __future__ import annotations

import asyncio
import heapq
import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from shared.bookings.models import State
from shared.bootstrap import Services
from shared.fleet.compute import Power
from shared.platform.clock import parse
from shared.platform.problems import Problem
from shared.platform.queues import OUTBOX
from shared.platform.tables import Row
from tests.fakes.compute import FakeCompute
from tests.fakes.tables import FakeTables
from tests.simulation.flaky import OFF, FlakyCompute
from tests.world import ALICE, World

BEGIN = datetime(2026, 10, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NOTICED = timedelta(minutes=45)
"""A booking that was made or moved this late may find its machine still starting."""

FAILING = timedelta(minutes=45)
"""A machine that has failed this short ago may not be ready again for the same booking."""

BOOTING = timedelta(minutes=15)
"""What a machine that takes the place of a lost one may need: ticks to be noticed, a start that may
fail too, and to boot."""


@dataclass
class Tally:
    """What the month came to."""

    booked: int = 0
    refused: int = 0
    cancelled: int = 0
    moved: int = 0
    extended: int = 0
    ended: int = 0
    ticks: int = 0
    starts: int = 0
    ready: int = 0
    excused_all_failed: int = 0
    excused_lost: int = 0
    unready: list[str] = field(default_factory=list)
    idle: list[str] = field(default_factory=list)
    chaos: Counter[str] = field(default_factory=Counter)


class MonthTables(FakeTables):
    """Gives way to others only while a tick is doubled: what else runs alone needs no turns, and
    a month has millions of requests."""

    racing = False

    async def _request(self, verb: str, table: str, pk: str) -> None:
        if self.racing:
            await asyncio.sleep(0)


class Month(World):
    def __init__(self, *, bookings: int, days: int, chance: float, seed: int = 5) -> None:
        self._chance = chance
        super().__init__(
            MonthTables(),
            local_vms=6,
            vm_capacity=4,
            max_booking=timedelta(hours=4),
            cancel_notice=timedelta(0),
            vm_price="0.12",
            reminders="[]",
        )
        self.twin = Services(self.settings, self.services.ports)
        """Another process, whose ticks come at the same time."""
        self.clock.time = BEGIN
        self.random = random.Random(seed)
        self.tally = Tally()
        self.days = days
        self._bookings = bookings
        self._agenda: list[tuple[datetime, int, Callable[[], Awaitable[None]]]] = []
        self._order = count()
        self._settled: dict[int, datetime] = {}
        self._idle: Counter[str] = Counter()
        self._pause = MINUTE
        self._watched = BEGIN

    def make_compute(self) -> FakeCompute:
        settings = self.settings
        return FlakyCompute(settings.local_vms, settings.vm_capacity, self.clock, self._chance)

    @property
    def machines(self) -> FlakyCompute:
        assert isinstance(self.compute, FlakyCompute)
        return self.compute

    # -- what people do ----------------------------------------------------------------------------

    def _at(self, moment: datetime, deed: Callable[[], Awaitable[None]]) -> None:
        heapq.heappush(self._agenda, (moment, next(self._order), deed))

    def _people(self) -> None:
        for _ in range(self._bookings):
            start = self._wanted()
            made = max(BEGIN, start - timedelta(minutes=self.random.choice((50, 90, 600, 4000))))
            length = timedelta(minutes=self.random.choice((15, 30, 30, 45, 60, 60, 90)))
            self._at(made, self._booking(start, length))

    def _wanted(self) -> datetime:
        """Office hours most of the time, on a grid of five minutes."""
        day = self.random.randrange(self.days - 1)
        office = (BEGIN + timedelta(days=day)).weekday() < 5 and self.random.random() < 0.95
        hour = min(max(self.random.gauss(13, 3), 7), 20) if office else self.random.uniform(0, 23)
        minute = 5 * round(hour * 12)
        return BEGIN + timedelta(days=day, minutes=max(minute, 60))

    def _booking(self, start: datetime, length: timedelta) -> Callable[[], Awaitable[None]]:
        async def deed() -> None:
            offset = (start - self.now).total_seconds() / 60
            try:
                booked = await self.book(offset, length.total_seconds() / 60)
            except Problem:
                self.tally.refused += 1
                return
            self.tally.booked += 1
            number = booked.booking.booking_id
            self._settle(number, start)
            self._plans(number, start, start + length)

        return deed

    def _settle(self, number: int, start: datetime) -> None:
        self._settled[number] = self.now
        self._at(max(self.now, start - self.settings.vm_lead), self._watch)
        self._at(start, self._check(number, start))

    async def _watch(self) -> None:
        """A lead begins: for a few minutes ticks matter."""
        self._watched = self.now + 3 * MINUTE

    def _plans(self, number: int, start: datetime, end: datetime) -> None:
        draw, span = self.random.random(), (start - self.now).total_seconds()
        between = self.now + timedelta(seconds=self.random.uniform(0.1, 0.99) * span)
        if draw < 0.10:
            self._at(between, self._cancel(number))
        elif draw < 0.20:
            self._at(between, self._move(number, end - start))
        elif draw < 0.30:
            self._at(end - 2 * MINUTE, self._extend(number))
        elif draw < 0.35:
            self._at(start + (end - start) / 2, self._end(number))

    def _cancel(self, number: int) -> Callable[[], Awaitable[None]]:
        async def deed() -> None:
            await self._try("cancelled", self.services.bookings.cancel(ALICE, number, ""))

        return deed

    def _move(self, number: int, length: timedelta) -> Callable[[], Awaitable[None]]:
        async def deed() -> None:
            stored = await self.services.bookings.get(ALICE, number)
            start = max(stored.booking.start, self.now + 50 * MINUTE) + 30 * MINUTE
            offset = (start - self.now).total_seconds() / 60
            moving = self.move(stored, offset, length.total_seconds() / 60)
            if await self._try("moved", moving):
                self._settle(number, start)

        return deed

    def _extend(self, number: int) -> Callable[[], Awaitable[None]]:
        async def deed() -> None:
            stored = await self.services.bookings.get(ALICE, number)
            await self._try("extended", self.extend(stored, 30))

        return deed

    def _end(self, number: int) -> Callable[[], Awaitable[None]]:
        async def deed() -> None:
            await self._try("ended", self.services.bookings.end(ALICE, number, ""))

        return deed

    async def _try(self, what: str, deed: Awaitable[Any]) -> bool:
        """What the calendar refuses (no room, too late) is no concern of the fleet's."""
        try:
            await deed
        except Problem:
            self.tally.refused += 1
            return False
        setattr(self.tally, what, getattr(self.tally, what) + 1)
        return True

    # -- what must hold ----------------------------------------------------------------------------

    def _check(self, number: int, start: datetime) -> Callable[[], Awaitable[None]]:
        """At a booking's start its machine is ready, and holds its room."""

        async def deed() -> None:
            stored = await self.services.bookings.get(ALICE, number)
            booking = stored.booking
            if booking.state is not State.ACTIVE or booking.start != start:
                return
            if start - self._settled[number] < NOTICED:
                return
            self.tally.starts += 1
            self._judge(number, booking.room_id)

        return deed

    def _judge(self, number: int, room_id: int) -> None:
        rows = self.tables.rows.get(("Fleet", "00"), {})
        placed = rows.get(f"p|{number}")
        name = str(placed.data["vm"]) if placed else ""
        janus = self.compute.janus.get(name)
        if janus and not janus.down and room_id in janus.room_specs:
            self.tally.ready += 1
        elif all(self._failed(vm, FAILING) or self._full(vm) for vm in self.compute.janus):
            self.tally.excused_all_failed += 1
        elif self._lost_lately():
            self.tally.excused_lost += 1
        else:
            state = self._machine_states()
            self.tally.unready.append(f"{self.now} booking {number} on {name or '-'}: {state}")

    def _full(self, name: str) -> bool:
        carried = [row for row in self._fleet_rows("p|") if row.data["vm"] == name]
        return len(carried) >= self.settings.vm_capacity

    def _fleet_rows(self, prefix: str) -> list[Row]:
        keys, rows = self.tables._keys("Fleet", "00"), self.tables.rows.get(("Fleet", "00"), {})
        first = bisect_left(keys, prefix)
        return [rows[rk] for rk in keys[first:] if rk.startswith(prefix)]

    def _failed(self, name: str, within: timedelta) -> bool:
        return self.now - self.machines.failed.get(name, BEGIN - within) < within

    def _lost_lately(self) -> bool:
        return any(self.now - at < BOOTING for at in self.machines.lost.values())

    def _machine_states(self) -> str:
        return ", ".join(
            f"{row.data['name']} {row.data['state']} ({row.data['reason']})"
            for row in self._fleet_rows("v|")
        )

    async def _no_idling(self) -> None:
        """A machine that is on has a cause, or had one no longer than the margin and two ticks ago;
        but for one that was told to stop, and did not."""
        carrying = {row.data["vm"] for row in self._fleet_rows("p|")}
        for name in self.compute.janus:
            on = self.compute.machine(name).power not in OFF
            idle = on and name not in self.machines.stopping and name not in carrying
            if not idle or await self._has_cause(name):
                self._idle[name] = 0
                continue
            self._idle[name] += 1
            if self._idle[name] == 3:
                self.tally.idle.append(f"{self.now} {name}: {self._machine_states()}")

    async def _has_cause(self, name: str) -> bool:
        if self._waits_for_slow():
            return True  # a spare, which is started beside one that takes its time
        needed = parse(str(self.row("Fleet", "00", f"v|{name}")["needed_until"]))
        since = needed + self.settings.vm_margin
        if self.now < since:
            return True
        return await self._next_start() - self.settings.vm_lead - since < self.settings.vm_bridge

    def _waits_for_slow(self) -> bool:
        """A booking whose machine was asked some minutes ago and is not ready."""
        slow = {
            row.data["name"]
            for row in self._fleet_rows("v|")
            if row.data["state"] in ("starting", "deallocating")
            and self.now - parse(str(row.data["since"])) > 3 * MINUTE
        }
        waiting = (row for row in self._fleet_rows("p|") if not row.data["made"])
        return any(row.data["vm"] in slow for row in waiting)

    async def _next_start(self) -> datetime:
        ahead = self.now + self.settings.vm_lead + self.settings.vm_bridge
        claims = await self.services.bookings.claims(0, self.now, ahead)
        return min((c.start for c in claims if c.start > self.now), default=ahead)

    # -- the month ---------------------------------------------------------------------------------

    async def run(self) -> None:
        self._people()
        end = BEGIN + timedelta(days=self.days)
        while self.now < end:
            self.machines.settle()
            await self._deeds()
            if await self._chaotic_tick():
                await self._no_idling()
            if self.now.minute % 15 == 0:
                await self._deliver()
            self._pause = self._until_next()
            self.clock.time = self.now.replace(second=0) + self._pause
        await self._deliver()

    def _until_next(self) -> timedelta:
        """The next tick. While everything is off, as it should be, nine of ten are left out, and
        the tenth is not lost: they are many, and nothing happens in them."""
        off = all(self.compute.machine(name).power in OFF for name in self.compute.janus)
        dark = off and not self._fleet_rows("p|")
        soon = self._agenda and self._agenda[0][0] < self.now + 10 * MINUTE
        return 10 * MINUTE if dark and not soon and self.now.minute % 10 == 0 else MINUTE

    async def _deeds(self) -> None:
        while self._agenda and self._agenda[0][0] <= self.now:
            _, _, deed = heapq.heappop(self._agenda)
            await deed()

    async def _chaotic_tick(self) -> bool:
        """No wake-up ever arrives, and of the timer's ticks some are lost, late or doubled."""
        draw, lost = self.random.random(), LOST_STEADY if self._steady() else LOST
        chances = (("lost", lost), ("late", lost + LATE), ("doubled", lost + LATE + DOUBLED))
        what = next((w for w, chance in chances if draw < chance), "on time")
        if self._pause > MINUTE:
            what = "on time"
        self.tally.chaos[what] += 1
        if what == "lost":
            return False
        if what == "late":
            self.clock.advance(seconds=40)
            self.machines.settle()
        ticks = [self.tick(), self.twin.tick()] if what == "doubled" else [self.tick()]
        self.tables.racing = len(ticks) > 1
        await asyncio.gather(*ticks)
        self.tables.racing = False
        self.tally.ticks += len(ticks)
        return True

    def true_on_time(self) -> timedelta:
        return sum((until - since for _, since, until in self.machines.stretches), timedelta(0))

    def _steady(self) -> bool:
        pairs = {
            (row.data["state"], self.compute.machine(str(row.data["name"])).power)
            for row in self._fleet_rows("v|")
        }
        return self.now >= self._watched and pairs <= STEADY

    async def _deliver(self) -> None:
        for pointer in self.queues.take(OUTBOX):
            await self.services.relay.handle(pointer)
        self.queues.messages.clear()


STEADY = {
    ("ready", Power.RUNNING),
    ("draining", Power.RUNNING),
    ("deallocated", Power.DEALLOCATED),
    ("deallocated", Power.FAILED),
}

LOST, LATE, DOUBLED = 0.15, 0.05, 0.05
LOST_STEADY = 0.85
"""Chances of each tick. Many are lost where nothing is on its way, to get through a month."""
