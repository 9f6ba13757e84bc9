"""The reconciler: on in time, off when idle, rooms where they belong; whatever happens."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.fleet.compute import ComputeError, Power
from shared.janus.port import JanusError, JanusUnavailable, Participant
from shared.platform.tables import Conflict, Row, StorageUnavailable
from tests.world import ALICE, World


def power(world: World, name: str = "janus-0") -> Power:
    return world.compute.machine(name).power


def vm(world: World, name: str = "janus-0") -> dict[str, object]:
    return world.row("Fleet", "00", f"v|{name}")


async def test_an_idle_system_runs_nothing() -> None:
    world = World()
    await world.book(31)
    await world.tick()
    assert not world.compute.calls
    assert await world.services.fleet.health() == "idle"


async def test_on_when_the_lead_begins_and_ready_when_janus_answers() -> None:
    world = World()
    booked = await world.book(31)
    world.clock.advance(minutes=1)
    await world.tick()
    assert vm(world)["state"] == "starting"
    await world.tick()
    assert vm(world)["state"] == "ready"
    assert booked.room.room_id in world.compute.janus["janus-0"].room_specs
    assert power(world, "janus-1") is Power.DEALLOCATED
    assert [e["data"]["vm"] for e in world.events("vm.started")] == ["janus-0"]
    assert await world.services.fleet.health() == "ok"


async def test_a_running_machine_is_not_ready_until_signed_tokens_work() -> None:
    world = World()
    world.compute.janus["janus-0"].unready = "not in signed mode"
    await world.book()
    for _ in range(3):
        await world.tick()
    assert vm(world)["state"] == "starting"
    assert await world.services.fleet.health() == "idle", "it boots"
    world.clock.advance(minutes=11)
    assert await world.services.fleet.health() == "down", "for too long"
    world.compute.janus["janus-0"].unready = ""
    await world.tick()
    assert vm(world)["state"] == "ready"


async def test_a_call_whose_janus_starts_anew_is_down_and_not_idle() -> None:
    world = World(local_vms=1)
    booked = await world.book()
    await world.ready(booked)
    world.compute.slow.add("janus-0")
    world.compute.crash("janus-0")
    await world.tick()
    world.clock.advance(minutes=1)
    await world.tick()
    assert vm(world)["state"] == "starting"
    assert await world.services.fleet.health() == "down"


async def test_the_room_has_the_bookings_pin_and_size() -> None:
    world = World()
    booked = await world.book()
    janus = await world.ready(booked)
    spec = janus.room_specs[booked.room.room_id]
    assert (spec.pin, spec.size) == (world.services.bookings.password(booked.room), 2)


async def test_a_booking_for_now_wakes_the_reconciler() -> None:
    world = World()
    await world.book()
    await world.drain(2)
    assert world.compute.calls == [("start", "janus-0")]


async def test_one_far_away_wakes_nobody() -> None:
    world = World()
    await world.book(120)
    await world.drain()
    assert not world.compute.calls


async def test_off_after_the_margin_and_not_before() -> None:
    world = World()
    await world.ready(await world.book(0, 60))
    world.clock.advance(minutes=60 + 14.9)
    await world.tick()
    assert power(world) is Power.RUNNING
    world.clock.advance(minutes=0.2)
    await world.tick()
    await world.tick()
    assert power(world) is Power.DEALLOCATED
    assert vm(world)["state"] == "deallocated"
    assert len(world.events("vm.deallocated")) == 1
    assert not world.rows("Fleet", "00", "p|")


async def test_never_off_while_a_call_is_live() -> None:
    world = World()
    booked = await world.book(0, 60)
    janus = await world.ready(booked)
    person = janus.join(booked.room.room_id, (await world.join(booked)).participant_id)
    world.clock.advance(minutes=60 + 60)
    await world.tick()
    assert power(world) is Power.RUNNING
    assert booked.room.room_id in janus.room_specs
    janus.leave(booked.room.room_id, person.id)
    await world.tick()
    assert power(world) is not Power.RUNNING


async def test_ending_a_booking_throws_everybody_out_and_frees_the_machine() -> None:
    world = World()
    booked = await world.book(0, 60)
    janus = await world.ready(booked)
    janus.join(booked.room.room_id)
    world.clock.advance(minutes=5)
    await world.services.bookings.end(ALICE, booked.booking.booking_id, "")
    await world.drain()
    assert booked.room.room_id not in janus.room_specs
    world.clock.advance(minutes=16)
    await world.tick()
    assert power(world) is not Power.RUNNING


async def test_a_cancelled_booking_needs_its_machine_no_longer() -> None:
    world = World(cancel_notice=timedelta(0))
    booked = await world.book(20)
    await world.ready(booked)
    await world.services.bookings.cancel(ALICE, booked.booking.booking_id, "")
    await world.drain()
    assert power(world) is Power.DEALLOCATED


async def test_rooms_are_back_after_a_janus_restart() -> None:
    world = World(local_vms=1)
    booked = await world.book()
    janus = await world.ready(booked)
    before = janus.room_specs[booked.room.room_id]
    world.compute.crash("janus-0")
    await world.tick()
    await world.tick()
    assert janus.room_specs[booked.room.room_id] == before
    assert vm(world)["state"] == "ready"


async def test_rooms_are_back_when_only_janus_forgot_them() -> None:
    world = World()
    booked = await world.book()
    janus = await world.ready(booked)
    janus.wipe()
    await world.tick()
    assert booked.room.room_id in janus.room_specs


async def test_a_janus_that_hangs_is_restarted_when_it_stays_so() -> None:
    world = World(local_vms=1)
    janus = await world.ready(await world.book())
    janus.down = True
    await world.tick()
    assert vm(world)["state"] == "starting"
    assert ("restart", "janus-0") not in world.compute.calls
    world.clock.advance(minutes=3)
    await world.tick()
    world.clock.advance(seconds=10)
    await world.tick()
    assert ("restart", "janus-0") in world.compute.calls
    await world.tick()
    assert vm(world)["state"] == "ready"


async def test_a_janus_that_hangs_hands_its_bookings_over_when_another_machine_has_room() -> None:
    world = World()
    booked = await world.book()
    janus = await world.ready(booked)
    janus.down = True
    await world.tick()
    world.clock.advance(minutes=3)
    for _ in range(4):
        await world.tick()
    assert booked.room.room_id in world.compute.janus["janus-1"].room_specs
    assert power(world) is Power.DEALLOCATED


@pytest.mark.parametrize("how", ["refuse", "break_start"])
async def test_a_machine_that_does_not_start_hands_its_bookings_over(how: str) -> None:
    world = World()
    broken = ComputeError("allocation_failed", "no capacity") if how == "refuse" else "port taken"
    getattr(world.compute, how)["janus-0"] = broken
    booked = await world.book()
    for _ in range(4):
        await world.tick()
    assert vm(world)["state"] == "failed"
    assert vm(world)["reason"] in ("no capacity", "port taken")
    assert booked.room.room_id in world.compute.janus["janus-1"].room_specs
    assert len(world.events("vm.start_failed")) == 1


async def test_one_incident_is_one_event_and_it_is_tried_again() -> None:
    world = World(local_vms=1)
    world.compute.refuse["janus-0"] = ComputeError("allocation_failed", "no capacity")
    await world.book()
    for _ in range(5):
        await world.tick()
        world.clock.advance(minutes=11)
    assert len(world.events("vm.start_failed")) == 1
    assert len([c for c in world.compute.calls if c[0] == "start"]) == 5
    del world.compute.refuse["janus-0"]
    await world.tick()
    await world.tick()
    assert vm(world)["state"] == "ready"
    assert vm(world)["failures"] == 0


async def test_a_failure_to_stop_is_one_event_and_is_tried_again() -> None:
    world = World()
    await world.ready(await world.book(0, 60))
    world.compute.refuse["janus-0"] = ComputeError("failed", "conflict")
    world.clock.advance(minutes=90)
    await world.tick()
    await world.tick()
    assert len(world.events("vm.stop_failed")) == 1
    del world.compute.refuse["janus-0"]
    world.clock.advance(minutes=1)
    await world.tick()
    await world.tick()
    assert power(world) is Power.DEALLOCATED


async def test_one_machines_failure_never_stops_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(vm_capacity=1)
    await world.book()
    await world.book()
    await world.tick()

    async def explode(*, sessions: bool) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(world.compute.janus["janus-0"], "ready", explode)
    await world.tick()
    assert world.compute.janus["janus-1"].room_specs


async def test_one_rooms_failure_never_stops_the_others() -> None:
    world = World()
    first = await world.book()
    await world.ready(first)
    second, third = await world.book(20), await world.book(20)
    janus = world.compute.janus["janus-0"]
    janus.wipe()
    real = janus.create_room

    async def picky(room: object) -> None:
        if room.room_id == second.room.room_id:  # type: ignore[attr-defined]
            raise JanusError("no")
        await real(room)  # type: ignore[arg-type]

    janus.create_room = picky  # type: ignore[method-assign]
    await world.tick()
    assert janus.room_specs.keys() == {first.room.room_id, third.room.room_id}


async def test_a_room_that_can_not_be_opened_keeps_no_other_from_being_made() -> None:
    world = World()
    broken, fine = await world.book(), await world.book()
    rooms = world.tables.rows["Rooms", "acme|00"]
    (rk,) = (rk for rk in rooms if str(broken.room.room_id) in rk)
    rooms[rk] = Row("acme|00", rk, {**rooms[rk].data, "pin": "not sealed by us"}, rooms[rk].etag)
    janus = await world.ready(fine)
    assert janus.room_specs.keys() == {fine.room.room_id}
    world.clock.advance(minutes=90)
    for _ in range(3):
        await world.tick()
    assert power(world) is Power.DEALLOCATED


async def test_not_knowing_who_is_inside_throws_nobody_out() -> None:
    world = World()
    booked = await world.book(0, 60)
    janus = await world.ready(booked)
    janus.join(booked.room.room_id, (await world.join(booked)).participant_id)
    world.clock.advance(minutes=60 + 30)
    real = janus.participants

    async def hiccup(room_id: int) -> list[Participant]:
        raise JanusUnavailable("no answer")

    janus.participants = hiccup  # type: ignore[method-assign]
    await world.tick()
    assert booked.room.room_id in janus.room_specs
    assert power(world) is Power.RUNNING
    janus.participants = real  # type: ignore[method-assign]
    await world.tick()
    assert janus.people[booked.room.room_id]


async def test_back_to_back_on_a_full_machine() -> None:
    """The calendar and the planner count the same: the grace of one takes no place of the next."""
    world = World(local_vms=1, vm_capacity=1)
    first, second = await world.book(0, 60), await world.book(60, 60)
    await world.ready(first)
    world.clock.advance(minutes=60)
    await world.tick()
    await world.tick()
    assert second.room.room_id in world.compute.janus["janus-0"].room_specs


async def test_two_bookings_in_a_row_in_one_room_do_not_disturb_each_other() -> None:
    """Whoever is inside after the first one's end belongs to the second, which goes on."""
    world = World()
    first = await world.book(0, 60)
    room = first.room.room_id
    janus = await world.ready(first)
    world.clock.advance(minutes=30)
    second = await world.book(30, 60, room=room)
    world.clock.advance(minutes=30)
    await world.tick()
    alice = await world.join(second)
    janus.join(room, alice.participant_id)
    for _ in range(74):
        world.clock.advance(minutes=1)
        await world.tick()
        assert room in janus.room_specs
        assert [person.id for person in await janus.participants(room)] == [alice.participant_id]
    placed = {row["booking_id"] for row in world.rows("Fleet", "00", "p|")}
    assert placed == {second.booking.booking_id}
    assert not world.events("call.overrun")
    world.clock.advance(minutes=5)
    await world.tick()
    (told,) = world.events("call.overrun")
    assert told["subject"] == f"booking/{second.booking.booking_id}", "and not of the first one"


async def test_of_three_in_a_row_in_one_room_the_second_has_begun() -> None:
    """The third has its machine already when the first is over."""
    world = World()
    first = await world.book(0, 60)
    room = first.room.room_id
    janus = await world.ready(first)
    second = await world.book(60, 30, room=room)
    third = await world.book(90, 60, room=room)
    world.clock.advance(minutes=60)
    await world.tick()
    alice = await world.join(second)
    janus.join(room, alice.participant_id)
    world.clock.advance(minutes=11)
    await world.tick()
    await world.tick()
    placed = {row["booking_id"] for row in world.rows("Fleet", "00", "p|")}
    assert placed == {second.booking.booking_id, third.booking.booking_id}
    assert [person.id for person in await janus.participants(room)] == [alice.participant_id]


async def test_a_missed_answer_is_no_second_start() -> None:
    world = World()
    janus = await world.ready(await world.book())
    janus.down = True
    await world.tick()
    janus.down = False
    await world.tick()
    assert vm(world)["state"] == "ready"
    assert len(world.events("vm.started")) == 1


async def test_a_move_by_another_reconciler_is_not_written_over() -> None:
    world = World()
    booked = await world.book()
    await world.tick()
    rk = f"p|{booked.booking.booking_id}"
    rows = world.tables.rows["Fleet", "00"]
    real = world.compute.janus["janus-0"].create_room

    async def moved_meanwhile(room: object) -> None:
        row = rows[rk]
        rows[rk] = Row("00", rk, {**row.data, "vm": "janus-1"}, "W/other")
        world.tables.rows["Fleet", "00"] = rows
        await real(room)  # type: ignore[arg-type]

    world.compute.janus["janus-0"].create_room = moved_meanwhile  # type: ignore[method-assign]
    rows = world.tables.rows["Fleet", "00"]
    await world.tick()
    assert world.row("Fleet", "00", rk)["vm"] == "janus-1"


async def test_a_slow_start_is_waited_for_by_wake_ups() -> None:
    world = World()
    world.compute.slow.add("janus-0")
    await world.book()
    await world.tick()
    assert world.queues.take("fleet-wake")
    world.compute.finish("janus-0")
    await world.tick()
    assert vm(world)["state"] == "ready"
    world.queues.take("fleet-wake")
    await world.tick()
    assert not world.queues.take("fleet-wake"), "nothing is on its way any more"


async def test_many_pages_that_wait_start_no_storm() -> None:
    world = World()
    world.compute.slow.add("janus-0")
    await world.book()
    passes = 0
    for _ in range(20):
        await world.services.fleet.wake()
    while world.queues.messages:
        messages, world.queues.messages = world.queues.messages, []
        for queue, body, _ in messages:
            passes += queue == "fleet-wake"
            await world.deliver(queue, body)
        world.clock.advance(seconds=1)
    assert passes < 20 + 4 * 11


async def test_wake_ups_come_to_an_end() -> None:
    world = World()
    world.compute.slow.add("janus-0")
    await world.book()
    await world.drain(rounds=200)
    assert not world.queues.messages


class Killed(BaseException):
    pass


@pytest.mark.parametrize("nth", range(1, 9))
@pytest.mark.parametrize("when", ["commit", "commit!"])
async def test_a_crash_at_any_write_is_recovered_by_the_next_run(nth: int, when: str) -> None:
    world = World()
    booked = await world.book()
    count = 0

    def fail(verb: str, table: str, pk: str) -> None:
        nonlocal count
        count += verb == when and table == "Fleet"
        if count == nth and verb == when:
            count += 1
            raise Killed

    world.tables.fail = fail
    for _ in range(3):
        try:
            await world.tick()
        except Killed:
            world.queues.messages.clear()
    world.tables.fail = lambda *_: None
    for _ in range(3):
        await world.tick()
    assert vm(world)["state"] == "ready"
    assert booked.room.room_id in world.compute.janus["janus-0"].room_specs
    world.clock.advance(minutes=90)
    for _ in range(3):
        await world.tick()
    assert power(world) is Power.DEALLOCATED


async def test_two_reconcilers_at_once_reach_the_same_state() -> None:
    world = World()
    booked = await world.book()
    other = World(tables=world.tables)
    other.compute = world.compute
    from shared.bootstrap import Services

    twin = Services(world.settings, world.services.ports)
    import asyncio

    for _ in range(3):
        await asyncio.gather(world.services.tick(), twin.tick())
    assert vm(world)["state"] == "ready"
    assert booked.room.room_id in world.compute.janus["janus-0"].room_specs
    assert len(world.events("vm.started")) == 1


@pytest.mark.parametrize("error", [StorageUnavailable("down"), Conflict("etag")])
async def test_a_storage_fault_of_one_machine_is_only_a_late_step(error: Exception) -> None:
    world = World()
    await world.book()

    def fail(verb: str, table: str, pk: str) -> None:
        if verb == "commit" and table == "Fleet":
            raise error

    await world.tick()
    world.tables.fail = fail
    await world.tick()
    world.tables.fail = lambda *_: None
    await world.tick()
    assert vm(world)["state"] == "ready"


async def test_a_machine_started_by_nobody_is_put_to_rest() -> None:
    world = World()
    world.compute.set_power("janus-1", Power.RUNNING)
    await world.tick()
    assert power(world, "janus-1") is Power.DEALLOCATED
