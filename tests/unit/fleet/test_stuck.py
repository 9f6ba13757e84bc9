"""What hangs for ever: a start, a stop, a Janus, a host that says no. Bookings get another machine,
and nothing stays on."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.fleet.compute import ComputeError, Power
from shared.fleet.models import EPOCH, Override, Placement, Vm, VmState
from shared.fleet.store import write
from shared.janus.port import JanusUnavailable
from shared.platform.clock import iso
from tests.world import ALICE, World


def vm(world: World, name: str = "janus-0") -> dict[str, object]:
    return world.row("Fleet", "00", f"v|{name}")


def power(world: World, name: str = "janus-0") -> Power:
    return world.compute.machine(name).power


async def minutes(world: World, count: int) -> None:
    for _ in range(count):
        world.clock.advance(minutes=1)
        await world.tick()


async def test_a_start_that_never_ends_is_a_failure_and_the_booking_goes_elsewhere() -> None:
    world = World()
    world.compute.slow.add("janus-0")
    booked = await world.book(30)
    await world.tick()
    await minutes(world, 9)
    assert booked.room.room_id in world.compute.janus["janus-1"].room_specs
    assert vm(world)["failures"] == 1
    assert [e["data"]["vm"] for e in world.events("vm.start_failed")] == ["janus-0"]


async def test_a_conflict_that_lasts_is_a_failure_and_the_booking_goes_elsewhere() -> None:
    world = World()
    world.compute.refuse["janus-0"] = ComputeError("conflict", "an update is under way")
    booked = await world.book(30)
    await world.tick()
    await minutes(world, 8)
    assert booked.room.room_id in world.compute.janus["janus-1"].room_specs


async def test_a_cancellation_while_it_starts_turns_it_round() -> None:
    world = World(cancel_notice=timedelta(0))
    world.compute.slow.add("janus-0")
    booked = await world.book(20)
    await world.tick()
    await world.services.bookings.cancel(ALICE, booked.booking.booking_id, "")
    await world.tick()
    assert world.compute.calls == [("start", "janus-0"), ("deallocate", "janus-0")]


async def test_a_machine_that_is_stopping_is_not_ready_for_a_booking_that_comes() -> None:
    """Its host has accepted the stop and still says that it runs."""
    world = World(local_vms=1)
    await world.ready(await world.book(0, 60))
    world.compute.slow.add("janus-0")
    world.clock.advance(minutes=76)
    await world.tick()
    stopping = world.compute.machine("janus-0").power
    assert stopping is Power.DEALLOCATING
    world.compute.set_power("janus-0", Power.RUNNING)
    world.compute.fail_later.clear()
    world.compute.still_busy.add("janus-0")
    booked = await world.book()
    await world.tick()
    assert vm(world)["state"] == "deallocating"
    world.compute.still_busy.clear()
    world.compute.slow.clear()
    world.compute.set_power("janus-0", Power.DEALLOCATED)
    janus = await world.ready(booked)
    assert booked.room.room_id in janus.room_specs
    assert not world.events("vm.lost")


async def test_a_machine_that_somebody_stops_in_the_portal_gives_its_call_away_at_once() -> None:
    world = World()
    booked = await world.book()
    await world.ready(booked)
    world.compute.set_power("janus-0", Power.DEALLOCATING)
    await world.tick()
    await world.tick()
    assert booked.room.room_id in world.compute.janus["janus-1"].room_specs
    assert len(world.events("vm.lost")) == 1


@pytest.mark.parametrize("what", ["hangs", "can not be looked into"])
async def test_a_janus_that_tells_nothing_as_a_booking_ends_keeps_no_machine_on(what: str) -> None:
    world = World()
    booked = await world.book(0, 60)
    janus = await world.ready(booked)
    world.clock.advance(minutes=69)

    async def no_answer(room_id: int) -> list[object]:
        raise JanusUnavailable("no answer")

    if what == "hangs":
        janus.down = True
    else:
        janus.participants = no_answer  # type: ignore[method-assign, assignment]
    await minutes(world, 90)
    assert power(world) is Power.DEALLOCATED
    assert not world.rows("Fleet", "00", "p|")


async def test_an_operator_who_stops_the_machine_ends_an_overrun() -> None:
    world = World()
    booked = await world.book(0, 60)
    janus = await world.ready(booked)
    janus.join(booked.room.room_id, (await world.join(booked)).participant_id)
    world.clock.advance(minutes=100)
    await minutes(world, 5)
    assert power(world) is Power.RUNNING, "a tick never cuts a call"
    stop = Override("janus-0", exclude_until=world.now + timedelta(hours=1), by="olga", reason="x")
    await world.services.fleet_store.commit(0, [write(stop)])
    await minutes(world, 2)
    assert power(world) is Power.DEALLOCATED


async def test_a_stop_by_hand_does_not_wait_for_the_margin() -> None:
    world = World()
    await world.ready(await world.book(0, 60))
    world.clock.advance(minutes=71)
    await world.tick()
    assert power(world) is Power.RUNNING
    stop = Override("janus-0", exclude_until=world.now + timedelta(hours=1), by="olga", reason="x")
    await world.services.fleet_store.commit(0, [write(stop)])
    await world.tick()
    assert power(world) is Power.DEALLOCATED


async def test_a_booking_that_moved_is_charged_for_the_new_machine_from_then_on() -> None:
    world = World(cancel_notice=timedelta(0))
    booked = await world.book(0, 60)
    await world.ready(booked)
    world.clock.advance(minutes=20)
    world.compute.crash("janus-0")
    await world.tick()
    world.clock.advance(minutes=10)
    await world.services.bookings.end(ALICE, booked.booking.booking_id, "")
    await world.tick()
    day = timedelta(1)
    found = await world.services.fleet_store.carriages(0, world.now - day, world.now + day)
    assert [(c.vm, (c.end - c.start) // timedelta(minutes=1)) for c in found] == [
        ("janus-0", 20),
        ("janus-1", 10),
    ]


async def test_a_booking_that_can_not_be_written_down_keeps_no_other_from_its_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    first = await world.book()
    janus = await world.ready(first)
    janus.wipe()
    bad = await world.book()
    store, real = world.services.fleet_store, world.services.fleet_store.place

    async def place(pool: int, placement: object, also: object = ()) -> object:
        if placement.booking_id == bad.booking.booking_id:  # type: ignore[attr-defined]
            raise ValueError("a bug")
        return await real(pool, placement, also)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "place", place)
    await world.tick()
    assert first.room.room_id in janus.room_specs


async def test_when_the_host_is_silent_a_room_that_was_forgotten_is_made_again() -> None:
    world = World()
    booked = await world.book()
    janus = await world.ready(booked)
    janus.wipe()
    world.compute.unavailable = ComputeError("failed", "no answer")
    await world.tick()
    assert booked.room.room_id in janus.room_specs


async def test_a_machine_that_did_not_start_the_last_time_is_not_the_first_to_be_tried() -> None:
    world = World()
    world.compute.refuse["janus-0"] = ComputeError("failed", "broken")
    first = await world.book(0, 30)
    await world.ready(first)
    await minutes(world, 60)
    world.compute.calls.clear()
    await world.book(0, 30)
    await world.tick()
    assert world.compute.calls == [("start", "janus-1")]


async def test_each_machine_that_fails_makes_way_for_the_next_one_in_the_same_pass() -> None:
    world = World(local_vms=4)
    for name in ("janus-0", "janus-1", "janus-2"):
        world.compute.refuse[name] = ComputeError("allocation_failed", "no capacity")
    await world.book()
    await world.tick()
    assert power(world, "janus-3") is Power.RUNNING
    assert world.compute.calls == [("start", f"janus-{n}") for n in range(4)]


async def test_a_booking_is_not_bound_to_a_machine_that_failed_more_often_than_another() -> None:
    """Both may be tried again, and its own is the one that it was put on last."""
    world = World()
    world.compute.refuse["janus-1"] = ComputeError("failed", "broken")
    fleet = world.services.fleet_store
    booked = await world.book()
    for name, failures in (("janus-0", 1), ("janus-1", 2)):
        await fleet.save(0, Vm(name, VmState.FAILED, world.now, failures=failures))
    place = Placement(
        booked.booking.booking_id,
        "janus-1",
        booked.room.room_id,
        "acme",
        booked.booking.start,
        booked.booking.end,
        world.now,
    )
    await fleet.place(0, place)
    await world.tick()
    assert world.compute.calls == [("start", "janus-0")]


async def test_a_booking_whose_machine_takes_its_time_goes_to_one_that_is_ready() -> None:
    world = World(vm_capacity=1, local_vms=3)
    running = await world.book(0, 20)
    await world.ready(running)
    world.compute.slow.add("janus-1")
    waiting = await world.book(15, 60)
    await minutes(world, 2)
    assert world.row("Fleet", "00", f"p|{waiting.booking.booking_id}")["vm"] == "janus-1"
    await world.services.bookings.end(ALICE, running.booking.booking_id, "")
    await minutes(world, 3)
    assert waiting.room.room_id in world.compute.janus["janus-0"].room_specs
    assert ("start", "janus-2") not in world.compute.calls


async def test_a_machine_that_is_being_stopped_is_not_the_one_to_choose() -> None:
    """It never started, its host did not take the stop, and another one is ready."""
    world = World()
    world.compute.slow.add("janus-0")
    first = await world.book(30, 60)
    await world.tick()
    await minutes(world, 9)
    assert world.row("Fleet", "00", f"p|{first.booking.booking_id}")["vm"] == "janus-1"
    world.compute.refuse["janus-0"] = ComputeError("throttled", "not now", timedelta(minutes=30))
    await minutes(world, 2)
    second = await world.book(5, 60)
    await world.tick()
    assert second.room.room_id in world.compute.janus["janus-1"].room_specs


async def test_a_start_that_was_to_be_turned_round_and_is_wanted_again_has_its_time() -> None:
    world = World(local_vms=1, cancel_notice=timedelta(0))
    world.compute.slow.add("janus-0")
    booked = await world.book(20, 60)
    await world.tick()
    world.compute.refuse["janus-0"] = ComputeError("throttled", "not now", timedelta(minutes=1))
    await world.services.bookings.cancel(ALICE, booked.booking.booking_id, "")
    await world.tick()
    assert vm(world)["state"] == "deallocating"
    world.compute.refuse.clear()
    again = await world.book(5, 60)
    await world.tick()
    assert vm(world)["state"] == "starting"
    world.compute.finish("janus-0")
    janus = await world.ready(again)
    assert again.room.room_id in janus.room_specs


async def test_a_host_that_knows_no_machine_at_all_any_more_is_believed_when_it_stays_so() -> None:
    world = World()
    booked = await world.book()
    janus = await world.ready(booked)
    world.compute.blind = True
    janus.wipe()
    await world.tick()
    assert booked.room.room_id in janus.room_specs
    assert vm(world)["state"] == "ready"
    assert not world.events("vm.lost")
    for _ in range(11):
        world.clock.advance(minutes=1)
        await world.tick()
    (lost,) = world.events("vm.lost")
    assert "lists it no longer" in lost["data"]["reason"]
    assert not world.rows("Fleet", "00", "v|janus-1")
    (stretch,) = await world.services.fleet_store.stretches(0, world.now - timedelta(9), world.now)
    assert stretch.end - stretch.start <= timedelta(minutes=11), "its bill ends"


async def test_a_janus_that_takes_its_time_to_come_up_is_waited_for() -> None:
    """Two machines: the booking stays, and neither is started and stopped in turns."""
    world = World()
    booked = await world.book(30)
    janus = world.compute.janus["janus-0"]
    await world.tick()
    janus.down = True
    for _ in range(11):
        world.clock.advance(seconds=30)
        await world.tick()
    janus.down = False
    await world.tick()
    assert world.compute.calls == [("start", "janus-0")]
    assert booked.room.room_id in janus.room_specs
    assert not world.events("vm.start_failed")


async def test_one_that_never_comes_up_is_a_failure_in_the_end() -> None:
    world = World()
    booked = await world.book(30)
    await world.tick()
    world.compute.janus["janus-0"].down = True
    await minutes(world, 8)
    (failed,) = world.events("vm.start_failed")
    assert failed["subject"] == "vm/janus-0"
    assert booked.room.room_id in world.compute.janus["janus-1"].room_specs


@pytest.mark.parametrize("kind", ["conflict", "ignored"])
async def test_a_machine_that_its_booking_leaves_because_nothing_comes_of_it_has_failed(
    kind: str,
) -> None:
    world = World()
    if kind == "conflict":
        world.compute.refuse["janus-0"] = ComputeError("conflict", "The VM is generalized")
    else:
        world.compute.ignores.add("janus-0")
    first = await world.book(0, 30)
    await minutes(world, 7)
    assert first.room.room_id in world.compute.janus["janus-1"].room_specs
    (failed,) = world.events("vm.start_failed")
    assert failed["subject"] == "vm/janus-0"
    assert kind == "ignored" or failed["data"]["reason"] == "The VM is generalized"
    await minutes(world, 60)
    world.compute.calls.clear()
    await world.book(0, 30)
    await world.tick()
    assert world.compute.calls == [("start", "janus-1")], "the other one is tried first now"


async def test_a_machine_that_is_stuck_is_not_chosen_because_it_is_on() -> None:
    world = World()
    world.compute.set_power("janus-0", Power.STARTING)
    long_ago = world.now - timedelta(hours=1)
    failed = Vm("janus-0", VmState.FAILED, long_ago, failures=1, on_since=long_ago)
    await world.services.fleet_store.save(0, failed)
    await world.book()
    await world.tick()
    assert world.compute.calls[-1] == ("start", "janus-1")


async def test_a_machine_that_was_refused_and_can_not_be_looked_at_was_never_on() -> None:
    """As with 429: the adapter keeps still, and tells no power."""
    world = World(local_vms=1)
    wait = timedelta(minutes=10)
    world.compute.refuse["janus-0"] = ComputeError("throttled", "TooManyRequests: Slow down", wait)
    await world.book(30)
    await world.tick()
    world.compute.hidden["janus-0"] = "keeping still"
    await minutes(world, 9)
    (failed,) = world.events("vm.start_failed")
    assert failed["data"]["reason"] == "keeping still"
    assert vm(world)["on_since"] == iso(EPOCH)
    assert not await world.services.fleet_store.stretches(0, world.now - timedelta(9), world.now)
    assert not world.events("vm.deallocated")


async def test_a_stop_that_was_refused_delays_no_start() -> None:
    world = World(local_vms=1)
    await world.ready(await world.book(0, 30))
    world.clock.advance(minutes=56)
    world.compute.refuse["janus-0"] = ComputeError("auth", "The scope is locked")
    await minutes(world, 25)
    world.compute.refuse.clear()
    world.compute.set_power("janus-0", Power.DEALLOCATED)  # by hand, as the alert advises
    booked = await world.book()
    janus = await world.ready(booked)
    assert booked.room.room_id in janus.room_specs


async def test_a_start_that_is_cancelled_has_not_failed() -> None:
    world = World(cancel_notice=timedelta(0))
    world.compute.refuse["janus-0"] = ComputeError("conflict", "busy")
    booked = await world.book(25)
    await minutes(world, 4)
    await world.services.bookings.cancel(ALICE, booked.booking.booking_id, "")
    await minutes(world, 2)
    assert not world.events("vm.start_failed")


async def test_two_empty_answers_far_apart_are_not_believed() -> None:
    world = World()
    booked = await world.book(0, 180)
    await world.ready(booked)
    world.compute.blind = True
    await world.tick()
    world.clock.advance(hours=2)
    await world.tick()
    assert vm(world)["state"] == "ready"
    assert not world.events("vm.lost")


async def test_a_fleet_that_is_refused_as_a_whole_is_not_asked_all_at_once() -> None:
    world = World(local_vms=20)
    for name in world.compute.janus:
        world.compute.refuse[name] = ComputeError("quota_exceeded", "no quota")
    await world.book()
    await world.tick()
    assert len(world.compute.calls) == 5
