"""Reports share the ledger's readings, and the process with everybody else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from shared.platform.problems import Problem
from shared.platform.tables import StorageUnavailable
from shared.reports.reader import Reading
from shared.reports.readings import FRESH, KEPT, MOST, Readings
from shared.reports.runs import Book
from tests.fakes.clock import ManualClock
from tests.unit.reports.booked import at

DAYS = [f"10-{n:02d} 00:00" for n in range(1, 31)]


class Ledger:
    """Reads while it is open; `asked` has the intervals."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.asked: list[tuple[datetime, datetime]] = []
        self.busiest = self._busy = 0
        self.open = asyncio.Event()
        self.open.set()
        self.fault: Exception | None = None

    async def read(self, since: datetime, until: datetime) -> Reading:
        self.asked.append((since, until))
        self._busy += 1
        self.busiest = max(self.busiest, self._busy)
        await self.open.wait()
        await asyncio.sleep(0)
        self._busy -= 1
        if self.fault:
            raise self.fault
        return Reading(self.clock.now(), Book([], [], 0), [], [], {})


class Desk:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.ledger = Ledger(self.clock)
        reader: Any = self.ledger
        self.readings = Readings(reader, self.clock)

    async def ask(
        self,
        since: str = "10-01 00:00",
        until: str = "11-01 00:00",
        work: Callable[[Reading], Any] = lambda reading: reading.at,
        **how: bool,
    ) -> Any:
        return await self.readings.make(at(since), at(until), work, **how)


@pytest.fixture
async def desk() -> Desk:
    return Desk()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_those_who_ask_for_the_same_share_a_reading(desk: Desk) -> None:
    desk.ledger.open.clear()
    asked = [asyncio.create_task(desk.ask()) for _ in range(4)]
    await settle()
    desk.ledger.open.set()
    assert len(set(await asyncio.gather(*asked))) == 1
    assert len(desk.ledger.asked) == 1


async def test_one_is_read_at_a_time(desk: Desk) -> None:
    await asyncio.gather(*(desk.ask(day) for day in DAYS[:4]))
    assert (len(desk.ledger.asked), desk.ledger.busiest) == (4, 1)


async def test_one_is_worked_on_at_a_time_and_not_on_the_loop(desk: Desk) -> None:
    threads: set[int] = set()
    busy: list[int] = []

    def work(reading: Reading) -> int:
        threads.add(threading.get_ident())
        busy.append(1)
        alone = len(busy)
        busy.pop()
        return alone

    assert await asyncio.gather(*(desk.ask(work=work) for _ in range(5))) == [1] * 5
    assert threading.get_ident() not in threads


async def test_a_reading_is_good_for_a_minute(desk: Desk) -> None:
    first = await desk.ask()
    desk.clock.time += FRESH / 2
    assert await desk.ask() == first
    desk.clock.time += FRESH / 2
    assert await desk.ask() == desk.clock.now()
    assert len(desk.ledger.asked) == 2


async def test_until_now_is_the_same_interval_all_day(desk: Desk) -> None:
    await desk.ask("10-01 10:00", "10-07 11:59")
    await desk.ask("10-01 23:00", "10-07 12:01")
    assert desk.ledger.asked == [(at("10-01 00:00"), at("10-08 00:00"))]


async def test_whole_days_stay_as_they_are(desk: Desk) -> None:
    await desk.ask("10-01 00:00", "10-07 00:00")
    assert desk.ledger.asked == [(at("10-01 00:00"), at("10-07 00:00"))]


async def test_few_are_kept(desk: Desk) -> None:
    for day in DAYS[: KEPT + 1]:
        await desk.ask(day)
    for day in reversed(DAYS[: KEPT + 1]):
        await desk.ask(day)
    assert len(desk.ledger.asked) == KEPT + 2, "only the oldest was read again"


async def test_further_ones_are_told_to_come_again(desk: Desk) -> None:
    desk.ledger.open.clear()
    asked = [asyncio.create_task(desk.ask(day)) for day in DAYS[:MOST]]
    await settle()
    for day in (DAYS[0], DAYS[MOST]):
        with pytest.raises(Problem) as caught:
            await desk.ask(day)
        assert (caught.value.status, caught.value.code) == (429, "rate_limited")
        assert int(caught.value.headers["Retry-After"]) > 0
    patient = asyncio.create_task(desk.ask(DAYS[MOST], patient=True))
    desk.ledger.open.set()
    await asyncio.gather(*asked, patient)
    await desk.ask(DAYS[MOST + 1])


async def test_who_goes_away_takes_no_reading_along_and_leaves_none_uncounted(desk: Desk) -> None:
    desk.ledger.open.clear()
    first, second = asyncio.create_task(desk.ask()), asyncio.create_task(desk.ask())
    await settle()
    first.cancel()
    await settle()
    desk.ledger.open.set()
    assert await second == desk.clock.now()
    desk.ledger.open.clear()
    for day in DAYS[1 : MOST + 1]:
        gone = asyncio.create_task(desk.ask(day))
        await settle()
        gone.cancel()
    await settle()
    with pytest.raises(Problem):
        await desk.ask(DAYS[MOST + 1])
    desk.ledger.open.set()


async def test_a_failure_is_everybodys_and_is_not_kept(desk: Desk) -> None:
    desk.ledger.fault = StorageUnavailable("query")
    outcomes = await asyncio.gather(desk.ask(), desk.ask(), return_exceptions=True)
    assert [type(each) for each in outcomes] == [StorageUnavailable] * 2
    desk.ledger.fault = None
    assert await desk.ask() == desk.clock.now()
    assert len(desk.ledger.asked) == 2


async def test_work_that_fails_leaves_its_place(desk: Desk) -> None:
    def work(reading: Reading) -> None:
        raise ValueError("odd")

    for _ in range(MOST + 1):
        with pytest.raises(ValueError, match="odd"):
            await desk.ask(work=work)
    await desk.ask()
