"""Timers, in a time that the test moves."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from azure.functions import meta
from azure.functions.timer import TimerRequestConverter

from local.host import timers
from local.host.timers import TimerListener
from tests.local.timer_world import EVERY_TEN, World, at, events, settle


@pytest_asyncio.fixture
async def world(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[World]:
    caplog.set_level(logging.INFO, "suroga")
    world = World(tmp_path)
    yield world
    await world.close()


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
