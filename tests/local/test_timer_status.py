"""What a timer remembers, and what it makes up for."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from tests.local.timer_world import World, at, events, settle


@pytest_asyncio.fixture
async def world(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[World]:
    caplog.set_level(logging.INFO, "suroga")
    world = World(tmp_path)
    yield world
    await world.close()


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


async def test_a_status_from_the_future_does_not_stop_the_timer(world: World) -> None:
    await world.jump(3_600)
    first = world.listener()
    await first.start()
    await first.stop()
    await world.jump(-3_600)
    await world.listener().start()
    await world.pass_time(8)
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
