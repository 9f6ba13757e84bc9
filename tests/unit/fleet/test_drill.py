"""The weekly drill: only in an idle window, always to an end, and told once."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from shared.fleet.compute import ComputeError, Power
from shared.fleet.drill_book import BY
from shared.fleet.drill_rows import MOST_RESULTS, Drill
from shared.fleet.drill_steps import LIMIT
from shared.fleet.models import VmState
from shared.fleet.payloads import MachineExtend, MachineHold, MachineRelease, MachineStart
from shared.fleet.store import DRILL
from shared.janus.port import JanusError
from shared.platform.auth import Caller
from shared.platform.ids import Ids
from shared.platform.queues import FLEET_WAKE, OUTBOX
from shared.platform.tables import Conflict, Row, StorageUnavailable
from tests.unit.fleet.drilling import WEEK, Drilling

OLGA = Caller("olga", "acme", frozenset({"operator"}))
ROOM = Ids.drill_room(0)
STEPS = ["start", "ready", "room", "join", "destroy", "deallocate"]


async def drilled(**settings: object) -> Drilling:
    """One whole drill."""
    world = Drilling(**settings)
    await world.due()
    await world.minute()
    await world.until("resting")
    return world


# When all is well


async def test_a_machine_is_started_rehearsed_and_let_go() -> None:
    world = await drilled()
    janus = world.compute.janus["janus-0"]
    asked = [verb for verb, room in janus.calls if room == ROOM]
    assert asked == ["destroy", "create", "rehearse", "destroy"]
    assert world.compute.calls == [("start", "janus-0"), ("deallocate", "janus-0")]
    assert not world.on
    assert not world.rows("Fleet", "00", "r|"), "nobody asks for the machine any more"
    assert world.report["result"] == "ok"
    assert list(world.report["steps"]) == STEPS
    (event,) = world.reports
    assert (event.severity, event.tenant, event.subject) == ("info", "platform", "vm/janus-0")


async def test_it_takes_a_few_minutes_and_comes_again_in_a_week() -> None:
    world = await drilled()
    (result,) = world.drill.results
    assert result.ended - result.began <= timedelta(minutes=4)
    await world.minutes(5)
    world.clock.time = result.ended + WEEK - timedelta(minutes=2)
    await world.minute()
    assert world.phase == "resting"
    await world.minute()
    await world.minute()
    assert world.phase != "resting"


async def test_each_step_is_timed_and_compared_with_the_drill_before() -> None:
    world = Drilling(local_vms=1)
    world.compute.slow = {"janus-0"}
    for starting, stopping in ((2, 3), (5, 1)):
        await world.due()
        await world.minute()
        await world.minutes(starting)
        world.compute.finish("janus-0")
        await world.until("stopping")
        await world.minutes(stopping)
        world.compute.finish("janus-0")
        await world.until("resting")
    before, now = (event.data for event in world.reports)
    assert before["change"] == {}
    assert before["steps"]["start"] < 60 < before["steps"]["ready"] < now["steps"]["ready"]
    assert now["change"]["ready"] == 180
    assert now["change"]["deallocate"] == -120


async def test_every_machine_has_its_turn() -> None:
    world = Drilling(local_vms=3)
    for _ in range(4):
        await world.due()
        await world.minute()
        await world.until("resting")
    assert [event.data["vm"] for event in world.reports] == [
        "janus-0", "janus-1", "janus-2", "janus-0",
    ]  # fmt: skip


async def test_a_machine_that_calls_have_used_is_not_the_next() -> None:
    world = Drilling()
    await world.services.drills.run()
    world.clock.advance(days=6)
    await world.book(0, 30)
    await world.minutes(60)
    assert world.compute.calls == [("start", "janus-0"), ("deallocate", "janus-0")]
    world.clock.advance(days=1)
    await world.until("starting")
    assert world.drill.vm == "janus-1"


async def test_meanwhile_no_booking_is_put_on_it() -> None:
    world = Drilling()
    await world.due()
    await world.until("starting")
    override = (await world.store.load(0)).override("janus-0")
    assert override.hold_until == override.exclude_until == world.drill.began + LIMIT
    assert (override.by, override.reason) == (BY, "weekly drill")


async def test_a_machine_that_is_gone_is_forgotten() -> None:
    world = await drilled()
    assert world.drill.machines.keys() == {"janus-0"}
    world.compute.remove("janus-0")
    world.clock.time += WEEK
    await world.until("starting")
    assert world.drill.machines == {}


async def test_the_last_results_are_kept() -> None:
    world = Drilling(local_vms=1)
    for _ in range(MOST_RESULTS + 2):
        await world.due()
        await world.minute()
        await world.until("resting")
    assert len(world.drill.results) == MOST_RESULTS
    assert world.drill.results[0].began > world.drill.results[-1].began
    assert len(world.reports) == MOST_RESULTS + 2


# When it begins


async def test_a_new_system_is_left_alone_for_the_first_week() -> None:
    world = Drilling()
    await world.minutes(5)
    assert world.phase == "resting"
    assert not world.compute.calls


async def test_none_is_made_when_switched_off() -> None:
    world = Drilling(drill_every=timedelta(0))
    await world.minutes(2)
    world.clock.time += WEEK
    await world.minutes(2)
    assert not world.compute.calls
    assert not world.rows("Fleet", "00", "t|")


@pytest.mark.parametrize(("start", "begins"), [(-30, False), (0, False), (89, False), (91, True)])
async def test_only_while_no_booking_needs_a_machine(start: float, begins: bool) -> None:
    world = Drilling(local_vms=3)
    await world.services.drills.run()
    world.clock.time += WEEK - timedelta(minutes=60)
    await world.book(60 + start, 60)
    await world.drain()
    world.clock.advance(minutes=60)
    await world.services.drills.run()
    assert (world.phase == "starting") == begins


async def test_it_begins_once_the_bookings_are_over() -> None:
    world = Drilling()
    await world.due()
    await world.book(0, 30)
    await world.minutes(30 + 10)
    assert world.phase == "resting"
    await world.until("starting")


async def test_not_while_somebody_stays_on_after_a_booking() -> None:
    world = Drilling()
    await world.due()
    booked = await world.book(0, 30)
    janus = await world.ready(booked)
    ticket = await world.join(booked)
    janus.join(booked.room.room_id, ticket.participant_id)
    world.clock.advance(minutes=60)
    await world.minutes(3)
    assert world.phase == "resting"
    janus.leave(booked.room.room_id, ticket.participant_id)
    await world.until("starting")


@pytest.mark.parametrize("what", ["hold", "exclude"])
async def test_not_while_an_operator_has_decided_something(what: str) -> None:
    world = Drilling()
    await world.due()
    await world.override("janus-1", **{what: 10})
    await world.minutes(10)
    assert world.phase == "resting"
    await world.minutes(2)
    assert world.phase != "resting"


@pytest.mark.parametrize(("opens", "begins"), [("08:30", False), ("10:29", False), ("10:31", True)])
async def test_not_while_machines_are_kept_warm(opens: str, begins: bool) -> None:
    """2026-06-17 is a Wednesday, and it is nine o'clock."""
    world = Drilling(warm=[{"days": "wed", "from": opens, "to": "12:00", "machines": 1}])
    await world.due()
    await world.services.drills.run()
    assert (world.phase == "starting") == begins


async def test_only_a_machine_that_is_off() -> None:
    world = Drilling()
    await world.due()
    world.compute.set_power("janus-0", Power.RUNNING)
    await world.services.drills.run()
    assert world.drill.vm == "janus-1"


async def test_without_an_answer_of_the_host_it_waits() -> None:
    world = Drilling()
    await world.due()
    world.compute.unavailable = ComputeError("throttled", "too many requests")
    await world.services.drills.run()
    assert world.phase == "resting"
    world.compute.unavailable = None
    await world.services.drills.run()
    assert world.phase == "starting"


async def test_a_minute_with_nothing_to_do_is_one_read() -> None:
    world = await drilled()
    world.tables.requests.clear()
    await world.services.drills.run()
    assert world.tables.requests == [("query", "Fleet", "00")]


# When something fails


async def failing(world: Drilling) -> None:
    await world.minute()
    await world.until("resting")
    assert world.report["result"] == "failed"
    assert world.reports[0].severity == "error"
    assert not world.on
    assert not world.rows("Fleet", "00", "r|")


async def test_a_machine_that_does_not_start() -> None:
    world = Drilling()
    await world.due()
    world.compute.refuse["janus-0"] = ComputeError("sku_not_available", "no such size here")
    await failing(world)
    assert world.report["reason"] == "start: no such size here"
    assert world.report["steps"] == {}


async def test_a_machine_whose_janus_never_gets_ready() -> None:
    world = Drilling()
    await world.due()
    world.compute.slow = {"janus-0"}
    await world.minutes(18)
    assert world.phase == "stopping"
    world.compute.slow = set()
    world.compute.finish("janus-0")
    await failing(world)
    assert world.report["reason"] == "start: It is still starting after 6 minutes"


async def test_a_call_that_fails_leaves_no_room() -> None:
    world = Drilling()
    await world.due()
    janus = world.compute.janus["janus-0"]
    janus.rehearsal_fails = "Can't join the room: tokens are refused"
    await failing(world)
    assert world.report["reason"] == "join: Can't join the room: tokens are refused"
    assert list(world.report["steps"]) == ["start", "ready", "room", "destroy", "deallocate"]
    assert [verb for verb, room in janus.calls if room == ROOM][-1] == "destroy"


@pytest.mark.parametrize("step", ["create_room", "destroy_room"])
async def test_janus_failing_at_a_step(step: str) -> None:
    world = Drilling()
    await world.due()

    async def refuses(*args: object) -> None:
        raise JanusError("Internal error", 499)

    setattr(world.compute.janus["janus-0"], step, refuses)
    await failing(world)
    name = {"create_room": "room", "destroy_room": "destroy"}[step]
    assert world.report["reason"] == f"{name}: Internal error"
    assert name not in world.report["steps"]


async def test_a_machine_that_does_not_stop() -> None:
    world = Drilling()
    await world.due()
    await world.until("starting")
    world.compute.slow = {"janus-0"}
    await world.until("stopping")
    await world.minutes(17)
    assert world.report["result"] == "failed"
    assert world.report["reason"] == "deallocate: still deallocating after 15 min"
    assert "deallocate" not in world.report["steps"]


# When somebody needs the machine


async def test_a_booking_for_now_takes_the_machine_over() -> None:
    world = Drilling(local_vms=1)
    world.compute.slow = {"janus-0"}
    await world.due()
    await world.until("starting")
    await world.minute()
    assert world.on == ["janus-0"]
    booked = await world.book(5)
    await world.drain()
    assert world.report["result"] == "broken_off"
    assert world.report["reason"] == "a booking needs a machine, or will need one soon"
    assert not world.rows("Fleet", "00", "r|")
    world.compute.finish("janus-0")
    await world.minutes(2)
    assert (await world.ready(booked)).room_specs.keys() == {booked.room.room_id}
    assert world.compute.calls == [("start", "janus-0")], "it was handed over, not stopped"
    await world.minutes(5)
    assert len(world.reports) == 1


async def test_a_booking_during_the_rehearsal_leaves_no_room_of_the_drill() -> None:
    world = Drilling(local_vms=1)
    await world.due()
    await world.until("starting")
    janus, booked = world.compute.janus["janus-0"], []
    rehearse = janus.rehearse

    async def and_a_booking(room: object) -> None:
        booked.append(await world.book(5))
        await world.drain()
        await rehearse(room)  # type: ignore[arg-type]

    janus.rehearse = and_a_booking  # type: ignore[method-assign]
    await world.minutes(3)
    assert world.report["result"] == "broken_off"
    assert janus.room_specs.keys() == {booked[0].room.room_id}
    assert world.compute.calls == [("start", "janus-0")]


async def test_a_booking_while_it_stops_keeps_the_machine() -> None:
    world = Drilling(local_vms=1)
    await world.due()
    await world.until("starting")
    await world.tick()
    await world.tick()
    await world.services.drills.run()
    assert world.phase == "stopping"
    world.queues.messages.clear()
    booked = await world.book(5)
    await world.tick()
    await world.services.drills.run()
    await world.drain()
    assert (world.report["result"], world.report["reason"]) == (
        "broken_off",
        "the machine was handed over",
    )
    await world.ready(booked)
    assert world.compute.calls == [("start", "janus-0")]


async def test_a_booking_for_later_does_not_break_it_off() -> None:
    world = Drilling()
    await world.due()
    await world.until("starting")
    await world.book(95)
    await world.drain()
    await world.until("resting")
    assert world.report["result"] == "ok"


async def test_an_operator_who_wants_the_machine_gets_it() -> None:
    world = Drilling()
    await world.due()
    await world.until("starting")
    await world.override("janus-0", hold=60)
    await world.minutes(3)
    assert world.report["result"] == "broken_off"
    assert world.report["reason"] == "an operator has decided about a machine"
    assert world.on == ["janus-0"]
    assert world.row("Fleet", "00", "r|janus-0")["by"] == "olga"


@pytest.mark.parametrize("action", ["start", "hold", "extend", "exclude", "stop", "release"])
async def test_an_operators_decision_takes_over_nothing_of_what_the_drill_asked_for(
    action: str,
) -> None:
    world = Drilling(local_vms=1)
    await world.due()
    await world.minute()
    assert world.on == ["janus-0"]
    kind: Any = {"start": MachineStart, "extend": MachineExtend, "release": MachineRelease}
    minutes = {} if action == "release" else {"minutes": 60}
    request = kind.get(action, MachineHold)(reason="because", **minutes)
    view = await getattr(world.services.overrides, action)(OLGA, "janus-0", request, "")
    held, excluded = action in ("start", "hold", "extend"), action in ("exclude", "stop")
    fleet = await world.store.load(0)
    override = fleet.override("janus-0")
    assert (override.held(world.now), override.excluded(world.now)) == (held, excluded)
    assert (view.manual is not None) == (held or excluded)
    assert override.by == ("" if action == "release" else OLGA.sub)
    await world.until("resting")
    assert world.report["result"] == "broken_off"


async def test_an_operator_who_wants_it_while_it_stops_gets_it_too() -> None:
    world = Drilling()
    world.compute.slow = {"janus-0"}
    await world.due()
    await world.until("starting")
    world.compute.finish("janus-0")
    await world.until("stopping")
    await world.override("janus-0", hold=60)
    await world.services.drills.run()
    await world.drain()
    assert world.report["reason"] == "the machine was handed over"


async def test_the_reconciler_hears_at_once_that_it_was_broken_off() -> None:
    world = Drilling()
    await world.due()
    await world.until("starting")
    await world.override("janus-0", exclude=60)
    world.queues.messages.clear()
    await world.services.drills.run()
    assert FLEET_WAKE in [queue for queue, _, _ in world.queues.messages]


async def test_one_that_was_broken_off_is_no_measure_for_the_next() -> None:
    world = await drilled(local_vms=1)
    took = world.drill.machines
    world.clock.time += WEEK
    await world.until("starting")
    await world.override("janus-0", hold=1)
    await world.minutes(3)
    assert world.drill.results[0].result == "broken_off"
    assert world.drill.machines == took


async def test_one_that_was_broken_off_is_tried_again_in_some_hours() -> None:
    world = Drilling()
    await world.due()
    await world.until("starting")
    await world.override("janus-0", exclude=10)
    await world.minute()
    assert world.phase == "resting"
    world.clock.advance(hours=5)
    await world.minute()
    assert world.phase == "resting"
    world.clock.advance(hours=1)
    await world.minute()
    assert world.phase == "starting"


# Ticks that are lost or doubled


async def test_doubled_ticks_make_one_drill() -> None:
    world = Drilling()
    await world.due()
    for _ in range(8):
        await world.tick()
        await asyncio.gather(*(world.services.drills.run() for _ in range(3)))
        await world.drain()
        world.clock.advance(minutes=1)
    assert world.report["result"] == "ok"
    assert world.compute.janus["janus-0"].rehearsals == [ROOM]
    assert (
        len(world.events("fleet.drill_started"))
        + len([e for e in world.left if e.type == "fleet.drill_started"])
        == 1
    )


async def test_a_tick_during_the_rehearsal_leaves_it_alone() -> None:
    world = Drilling()
    await world.due()
    await world.until("starting")
    janus = world.compute.janus["janus-0"]
    rehearse, ticks = janus.rehearse, [world.services.drills.run]

    async def and_a_tick(room: object) -> None:
        while ticks:
            await ticks.pop()()
        await rehearse(room)  # type: ignore[arg-type]

    janus.rehearse = and_a_tick  # type: ignore[method-assign]
    await world.until("resting")
    assert world.report["result"] == "ok"
    asked = [verb for verb, room in janus.calls if room == ROOM]
    assert asked == ["destroy", "create", "rehearse", "destroy"]


async def test_one_that_another_run_has_ended_is_not_rehearsed() -> None:
    world = Drilling()
    await world.due()
    await world.until("starting")

    def ended(verb: str, table: str, pk: str) -> None:
        if (verb, table) == ("commit!", "Fleet") and world.phase == "rehearsing":
            row = Row(pk, DRILL, Drill(world.now).to_row(), "another")
            world.tables.rows["Fleet", pk][DRILL] = row

    world.tables.fail = ended
    await world.minute()
    assert world.phase == "resting"
    assert not world.compute.janus["janus-0"].rehearsals


async def test_whoever_tells_of_a_booking_does_not_fail_when_another_run_is_faster() -> None:
    world = Drilling()
    await world.due()
    await world.until("starting")
    world.compute.slow = {"janus-0"}
    await world.book(5)
    refused = [Conflict("another run")]

    def faster(verb: str, table: str, pk: str) -> None:
        if (verb, table) == ("commit", "Fleet") and refused:
            raise refused.pop()

    (pointer,) = [body for queue, body, _ in world.queues.messages if queue == OUTBOX]
    world.tables.fail = faster
    await world.deliver(OUTBOX, pointer)
    assert not refused
    await world.minute()
    assert world.report["result"] == "broken_off"


@pytest.mark.parametrize("phase", ["starting", "stopping"])
async def test_after_an_hour_without_any_tick_no_machine_stays_on(phase: str) -> None:
    world = Drilling()
    await world.due()
    await world.until(phase)
    world.clock.advance(hours=1)
    await world.minutes(3)
    assert not world.on
    told = (world.report["result"], world.report["reason"])
    assert told == (("broken_off", "its time ran out") if phase == "starting" else ("ok", ""))


async def test_without_the_drills_ticks_the_machine_goes_off_by_itself() -> None:
    world = Drilling()
    await world.due()
    await world.until("starting")
    for _ in range(32):
        await world.tick()
        world.clock.advance(minutes=1)
    assert not world.on
    assert (await world.store.load(0)).vms["janus-0"].state is VmState.DEALLOCATED


# What Janus tells of it


async def test_the_visitor_is_no_stranger() -> None:
    world = Drilling()
    event = {"vm": "janus-0", "type": "joined", "room": ROOM, "participant": 7}
    world.tables.fail = _no_storage
    await world.tell({**event, "at": "2026-06-10T09:00:00Z"})
    assert not world.queues.messages, "nobody is woken"


def _no_storage(verb: str, table: str, pk: str) -> None:
    raise StorageUnavailable("nothing has to be read for it")
