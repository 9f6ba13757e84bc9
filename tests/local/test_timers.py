"""Timers, in a time that the test moves."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from azure.functions import meta
from azure.functions.timer import TimerRequestConverter

from local.host import timers
from local.host.timers import TimerListener
from tests.fakes.clock import ManualClock

START = datetime(2026, 6, 10, 9, 0, 2, tzinfo=UTC)
EVERY_TEN = "*/10 * * * * *"


class World:
    """A clock whose sleepers wake when the test moves it, and a function that is recorded."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock(START)
        self.file = folder / "status" / "timer.json"
        self.runs: list[dict[str, Any]] = []
        self.times: list[int] = []
        self.running = 0
        self.slept = 0.0
        self.hold = asyncio.Event()
        self.hold.set()
        self.error: Exception | None = None
        self.listeners: list[TimerListener] = []
        self._moved = asyncio.Event()

    def listener(self, schedule: str = EVERY_TEN, **options: Any) -> TimerListener:
        options = {"clock": self.clock, "sleep": self.sleep, **options}
        listener = TimerListener("tick", schedule, self.run, self.file, **options)
        self.listeners.append(listener)
        return listener

    async def run(self, datum: str) -> None:
        self.running += 1
        assert self.running == 1, "two runs at once"
        self.runs.append(json.loads(datum))
        self.times.append(int((self.clock.now() - START).total_seconds()) + START.second)
        try:
            await self.hold.wait()
        finally:
            self.running -= 1
        if self.error:
            raise self.error

    async def sleep(self, seconds: float) -> None:
        self.slept = max(self.slept, seconds)
        until = self.clock.now() + timedelta(seconds=seconds)
        before = self.clock.now()
        while before <= self.clock.now() < until:
            self._moved.clear()
            await self._moved.wait()

    async def jump(self, seconds: float) -> None:
        self.clock.advance(seconds=seconds)
        self._moved.set()
        await settle()

    async def pass_time(self, seconds: int) -> None:
        await settle()
        for _ in range(seconds):
            await self.jump(1)

    def stored(self) -> dict[str, str]:
        content: dict[str, str] = json.loads(self.file.read_text())
        return content


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def at(second: int) -> datetime:
    return START.replace(second=0) + timedelta(seconds=second)


def events(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [json.loads(record.getMessage()) for record in caplog.records]


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    yield world
    world.hold.set()
    for listener in world.listeners:
        await listener.stop(patience=0.5)


async def test_it_runs_at_every_occurrence(world: World) -> None:
    await world.listener().start()
    await world.pass_time(30)
    assert world.times == [10, 20, 30]
    assert not any(run["IsPastDue"] for run in world.runs)


async def test_the_datum_is_what_azure_functions_reads(world: World) -> None:
    listener = world.listener()
    await listener.start()
    await world.pass_time(20)
    first, second = (
        TimerRequestConverter.decode(meta.Datum(json.dumps(run), "json"), trigger_metadata={})
        for run in world.runs
    )
    assert first.past_due is False
    assert first.schedule == {"AdjustForDST": True}
    assert first.schedule_status["Last"].startswith("0001-01-01T00:00:00")
    assert second.schedule_status == {
        "Last": at(10).isoformat(),
        "Next": at(20).isoformat(),
        "LastUpdated": at(10).isoformat(),
    }


async def test_it_sleeps_in_slices(world: World) -> None:
    await world.listener("0 0 * * * *").start()
    await world.pass_time(5)
    assert 0 < world.slept <= 1


async def test_a_run_that_was_missed_is_made_up_once(world: World) -> None:
    first = world.listener()
    await first.start()
    await world.pass_time(8)
    await first.stop()
    await world.jump(95)
    assert world.times == [10]
    await world.listener().start()
    await settle()
    assert [run["IsPastDue"] for run in world.runs] == [False, True]
    assert world.runs[1]["ScheduleStatus"]["Next"] == at(20).isoformat()
    await world.pass_time(5)
    assert world.times == [10, 105, 110]
    assert world.runs[2]["IsPastDue"] is False


async def test_nothing_is_made_up_when_nothing_was_missed(world: World) -> None:
    first = world.listener()
    await first.start()
    await world.pass_time(8)
    await first.stop()
    await world.listener().start()
    await world.pass_time(10)
    assert world.times == [10, 20]
    assert not any(run["IsPastDue"] for run in world.runs)


async def test_without_the_monitor_nothing_is_kept(world: World) -> None:
    first = world.listener(use_monitor=False)
    await first.start()
    await world.pass_time(8)
    await first.stop()
    assert world.runs[0]["ScheduleStatus"] is None
    assert not world.file.exists()
    await world.jump(95)
    await world.listener(use_monitor=False).start()
    await settle()
    assert world.times == [10]


async def test_a_changed_schedule_makes_nothing_up(world: World) -> None:
    first = world.listener()
    await first.start()
    await first.stop()
    await world.jump(60)
    await world.listener("*/15 * * * * *").start()
    await world.pass_time(13)
    assert world.times == [75]
    assert world.runs[0]["IsPastDue"] is False


async def test_run_on_startup(world: World) -> None:
    await world.listener(run_on_startup=True).start()
    await world.pass_time(8)
    assert world.times == [2, 10]
    assert world.runs[0]["IsPastDue"] is False


async def test_a_long_run_delays_the_next_and_the_missed_are_one(world: World) -> None:
    await world.listener().start()
    world.hold.clear()
    await world.pass_time(40)  # it runs from 10 to 42
    assert world.times == [10]
    world.hold.set()
    await world.pass_time(9)
    assert world.times == [10, 42, 50]


async def test_a_failure_is_one_line_and_the_schedule_goes_on(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.error = RuntimeError("the disk is full")
    await world.listener().start()
    await world.pass_time(20)
    assert world.times == [10, 20]
    first, second = events(caplog)
    assert first["event"] == second["event"] == "timer.failed"
    assert first["function"] == "tick"
    assert first["error"] == "the disk is full"
    assert "Traceback" in first["traceback"]
    assert world.stored()["Next"] == at(30).isoformat()


async def test_fire_runs_once_now_and_the_schedule_does_not_count_it(world: World) -> None:
    listener = world.listener()
    await listener.start()
    await listener.fire()
    assert world.times == [2]
    assert world.runs[0]["IsPastDue"] is False
    await world.pass_time(8)
    assert world.times == [2, 10]
    assert world.runs[1]["ScheduleStatus"]["Last"].startswith("0001")


async def test_fire_waits_for_the_run_that_goes_on(world: World) -> None:
    listener = world.listener()
    await listener.start()
    world.hold.clear()
    await world.pass_time(8)
    fired = asyncio.create_task(listener.fire())
    await settle()
    assert world.times == [10]
    world.hold.set()
    await fired
    assert len(world.times) == 2


async def test_the_schedule_waits_for_a_fired_run(world: World) -> None:
    listener = world.listener()
    await listener.start()
    world.hold.clear()
    fired = asyncio.create_task(listener.fire())
    await world.pass_time(13)
    assert world.times == [2]
    world.hold.set()
    await fired
    await settle()
    assert world.times == [2, 15]


async def test_fire_works_before_start(world: World) -> None:
    await world.listener().fire()
    assert world.times == [2]


async def test_a_clock_set_forward_runs_the_missed_as_one(world: World) -> None:
    await world.listener().start()
    await settle()
    await world.jump(3_605)
    assert world.times == [3_607]
    await world.pass_time(3)
    assert world.times == [3_607, 3_610]


async def test_a_clock_set_back_does_not_stop_the_timer(world: World) -> None:
    await world.listener().start()
    await world.pass_time(8)
    await world.jump(-3_600)
    await world.pass_time(10)
    assert world.times == [10, 20 - 3_600]


async def test_a_status_from_the_future_does_not_stop_the_timer(world: World) -> None:
    await world.jump(3_600)
    first = world.listener()
    await first.start()
    await first.stop()
    await world.jump(-3_600)
    await world.listener().start()
    await world.pass_time(8)
    assert world.times == [10]


async def test_stop_lets_a_run_end(world: World) -> None:
    listener = world.listener()
    await listener.start()
    world.hold.clear()
    await world.pass_time(8)
    stopping = asyncio.create_task(listener.stop(patience=5))
    await settle()
    assert not stopping.done()
    world.hold.set()
    await stopping
    assert world.stored()["Last"] == at(10).isoformat()
    await world.pass_time(20)
    assert world.times == [10]


async def test_what_stop_cancels_is_made_up(world: World) -> None:
    listener = world.listener()
    await listener.start()
    world.hold.clear()
    await world.pass_time(8)
    await listener.stop(patience=0.01)
    assert world.running == 0
    world.hold.set()
    await world.listener().start()
    await settle()
    assert [run["IsPastDue"] for run in world.runs] == [False, True]


async def test_a_function_that_swallows_its_cancelling_does_not_hold_stop(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timers, "CANCEL_SECONDS", 0.05)
    ends = asyncio.Event()

    async def stubborn(_: str) -> None:
        while not ends.is_set():
            try:
                await ends.wait()
            except asyncio.CancelledError:
                continue

    options: dict[str, Any] = {"clock": world.clock, "sleep": world.sleep, "run_on_startup": True}
    listener = TimerListener("tick", EVERY_TEN, stubborn, world.file, **options)
    await listener.start()
    await settle()
    async with asyncio.timeout(2):
        await listener.stop(patience=0.01)
    ends.set()
    await settle()
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "timer tick"]


async def test_start_and_stop_twice(world: World) -> None:
    listener = world.listener()
    await listener.stop()
    await listener.start()
    await listener.start()
    await world.pass_time(8)
    await listener.stop()
    await listener.stop()
    await listener.start()
    await world.pass_time(10)
    assert world.times == [10, 20]


def _truncated(file: Path) -> None:
    file.write_text('{"Schedule": ')


def _without_zone(file: Path) -> None:
    stored = json.loads(file.read_text())
    file.write_text(json.dumps({**stored, "Next": "2026-06-10T09:00:10"}))


def _a_list(file: Path) -> None:
    file.write_text("[]")


@pytest.mark.parametrize("spoil", [_truncated, _without_zone, _a_list])
async def test_a_spoiled_status_is_one_line(
    world: World, caplog: pytest.LogCaptureFixture, spoil: Callable[[Path], None]
) -> None:
    first = world.listener()
    await first.start()
    await first.stop()
    spoil(world.file)
    await world.listener().start()
    await world.pass_time(8)
    assert [event["event"] for event in events(caplog)] == ["timer.status_unreadable"]
    assert world.times == [10]
    assert world.stored()["Next"] == at(20).isoformat()


async def test_a_timer_runs_without_a_place_for_its_status(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.file.parent.write_text("a file where the folder should be")
    await world.listener().start()
    await world.pass_time(8)
    assert world.times == [10]
    assert {event["event"] for event in events(caplog)} >= {"timer.status_unwritable"}


async def test_a_kill_while_the_status_is_written_leaves_the_old_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.listener().start()
    before = world.stored()

    def killed(*_: object) -> None:
        raise OSError("killed here")

    monkeypatch.setattr(os, "replace", killed)
    await world.pass_time(8)
    assert world.times == [10]
    assert world.stored() == before


async def test_the_time_zone_setting_is_one_warning(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    timers._warn_of_time_zone.cache_clear()
    monkeypatch.setenv("WEBSITE_TIME_ZONE", "Europe/Lisbon")
    await world.listener("0 30 9 * * *").start()
    await world.listener("0 30 9 * * *").start()
    (line,) = events(caplog)
    assert (line["event"], line["level"]) == ("timer.time_zone_ignored", "WARNING")
    assert world.stored()["Next"] == at(1_800).isoformat()


@pytest.mark.parametrize("schedule", ["0 0 0 30 2 *", "often"])
async def test_a_bad_schedule_is_refused_at_once(world: World, schedule: str) -> None:
    with pytest.raises(ValueError, match="schedule"):
        world.listener(schedule)


@pytest.fixture(autouse=True)
def _levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "suroga")
