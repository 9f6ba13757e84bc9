"""What becomes of people in a room of a real Janus: a new password, a deleted room, a list."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from shared.bookings.making import Booked
from shared.bookings.models import Room, RoomCreate
from shared.bookings.payloads import BookingCreate
from shared.bootstrap import Ports, Services
from shared.fleet.compute import Machine
from shared.janus.port import JanusError
from shared.platform.problems import Problem
from tests.fakes.messenger import FakeMessenger
from tests.fakes.queues import FakeQueues
from tests.fakes.tables import FakeTables
from tests.janus import Caller, LocalVms
from tests.world import ADMIN, ALICE


@dataclass
class System:
    """Everything real but the storage; Alice's booking keeps the first machine running."""

    vms: LocalVms
    services: Services
    machine: Machine
    booked: Booked

    async def join(self, room: Room, pin: str, participant_id: int) -> Caller:
        caller = await self.vms.caller(self.machine)
        token = self.vms.room_token(self.machine, room.room_id)
        await caller.join(room.room_id, pin, token, participant_id)
        return caller

    async def other_room(self) -> tuple[Room, str]:
        """Nobody has booked it."""
        room = await self.services.rooms.create(ADMIN, RoomCreate())
        return room, self.services.rooms.password(room)


@pytest.fixture
async def system() -> AsyncIterator[System]:
    async with LocalVms() as vms:
        ports = Ports(
            tables=FakeTables(),
            queues=FakeQueues(),
            compute=vms.compute,
            janus=vms.janus,
            messenger=FakeMessenger(),
            clock=vms.clock,
            random=random.Random(7),
        )
        services = Services(vms.settings, ports)
        now = vms.clock.now()
        request = BookingCreate(start_time=now, end_time=now + timedelta(hours=1))
        booked = await services.bookings.create(ALICE, request, "")
        await _until_ready(services, booked)
        yield System(vms, services, await vms.machine("janus-0"), booked)


async def _until_ready(services: Services, booked: Booked) -> None:
    deadline = time.monotonic() + 20
    while isinstance(await services.fleet.locate(booked.booking), str):
        assert time.monotonic() < deadline
        await services.tick()
        await asyncio.sleep(0.05)


async def _refused(work: Awaitable[Any]) -> int:
    with pytest.raises(JanusError) as error:
        await work
    return error.value.code


async def test_the_new_password_holds_and_the_old_one_no_longer(system: System) -> None:
    room, old = await system.other_room()
    await system.join(room, old, 1001)
    new = await system.services.rooms.reset(ADMIN, room.room_id, "", force=False)
    assert await _refused(system.join(room, old, 1002)) == 433
    await system.join(room, new, 1003)
    people = await system.services.rooms.participants(ADMIN, room.room_id)
    assert {person.id for person in people} == {1001, 1003}


async def test_deleting_throws_those_inside_out(system: System) -> None:
    room, pin = await system.other_room()
    caller = await system.join(room, pin, 1001)
    await system.services.rooms.delete(ADMIN, room.room_id, "")
    assert (await caller.hears("room"))["videoroom"] == "destroyed"
    janus = system.vms.janus(system.machine)
    assert room.room_id not in await janus.rooms()
    assert await _refused(system.join(room, pin, 1002)) == 426


async def test_participants_are_those_who_joined(system: System) -> None:
    rooms, room = system.services.rooms, system.booked.room
    pin = system.services.rooms.password(room)
    await system.join(room, pin, 1001)
    (person,) = await rooms.participants(ALICE, room.room_id)
    assert (person.id, person.display, person.publisher) == (1001, "Ana", False)


async def test_the_night_reaches_janus(system: System) -> None:
    room, old = await system.other_room()
    await system.services.rooms.nightly()
    stored, _ = await system.services.rooms.get(ADMIN, room.room_id)
    new = system.services.rooms.password(stored)
    assert new != old
    assert await _refused(system.join(room, old, 1001)) == 433
    await system.join(room, new, 1002)
    # Alice's booking runs: her room's password is as it was.
    await system.join(system.booked.room, system.services.rooms.password(system.booked.room), 1003)


async def test_a_janus_that_died(system: System) -> None:
    room, _ = await system.other_room()
    await system.vms.compute.deallocate("janus-0")
    rooms = system.services.rooms
    for work, expected in (
        (rooms.delete(ADMIN, room.room_id, ""), (503, "room_delete_failed")),
        (rooms.reset(ADMIN, room.room_id, "", force=True), (503, "password_reset_failed")),
        (rooms.participants(ADMIN, system.booked.room.room_id), (502, "janus_failed")),
    ):
        with pytest.raises(Problem) as problem:
            await work
        assert (problem.value.status, problem.value.code) == expected
    assert (await rooms.get(ADMIN, room.room_id))[0].room_id == room.room_id
