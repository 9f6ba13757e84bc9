"""Every night: new passwords for rooms without bookings, secrets under the newest key."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from shared.bookings import rooms
from shared.bookings.models import RoomCreate
from shared.bookings.room_rows import room_rk
from shared.platform.auth import Caller
from shared.platform.problems import Problem
from shared.platform.tables import StorageUnavailable
from tests.fakes.faults import VERBS, Call, When, none
from tests.fakes.tables import FakeTables
from tests.unit.bookings.rooms_world import SHORT, RoomWorld
from tests.unit.bookings.test_rooms_pins import reset, resettable, unfinished, verbs
from tests.world import ALICE, EVE, World


async def test_every_night_rooms_without_bookings_get_new_passwords() -> None:
    world = RoomWorld()
    free, foreign = await world.room(), (await world.book(60, 60, who=EVE)).room
    booked = (await world.book(60, 60)).room
    later = await world.room()
    await world.book(600, 60, room=later.room_id)
    every = (free, foreign, booked, later)
    old = [await world.pin(room) for room in every]
    world.clock.advance(minutes=121)
    await world.services.rooms.nightly()
    new = [await world.pin(room) for room in every]
    assert [a != b for a, b in zip(old, new, strict=True)] == [True, True, True, False]
    await world.drain()
    told = [e for e in world.left if e.type == "room.password_reset"]
    assert {e.data["reason"] for e in told} == {"nightly"}
    assert {e.data["room_id"] for e in told} == {free.room_id, foreign.room_id, booked.room_id}
    assert {e.audit and e.audit.actor for e in told} == {"timer:rooms_nightly"}
    assert {e.tenant for e in told} == {"acme", "evil"}


async def test_a_night_reads_the_calendar_twice_however_many_rooms_there_are() -> None:
    world = RoomWorld()
    for _ in range(5):
        await world.room()
    world.faults.set(none)
    await world.services.rooms.nightly()
    scans = [call for call in world.faults.calls if call.verb == "scan"]
    assert len([call for call in scans if call.args[0] == "Calendar"]) == 2


async def test_a_room_booked_during_the_night_keeps_its_password() -> None:
    """Whoever books while a night stands still before any of its calls."""
    outcomes = []
    for nth in range(1, 40):
        met = await meet(night_first=nth)
        assert met.told in ("", met.pin), nth
        outcomes.append(bool(met.told))
        if met.night.calls < nth:
            break
    assert outcomes[0], "the night has not begun"
    assert not all(outcomes), "while the password is undecided nobody books"
    assert outcomes[-1], "the night is over"


async def test_whoever_has_read_a_room_before_the_night_and_books_it_afterwards() -> None:
    """Wherever both stand still. One order remains in which the password told does not hold: the
    booking reads the room's row before the night marks it, and commits after the night has looked
    for bookings the second time."""
    orders = set()
    for first in range(1, 9):
        for second in range(1, 14):
            met = await meet(book_first=first, night_first=second)
            late = met.in_order("room read", "marked", "looked", "booked")
            if met.told:
                assert (met.told == met.pin) is not late, (first, second, met.log)
            orders.add((bool(met.told), late))
    assert orders == {(True, False), (True, True), (False, False)}


@dataclass
class Meeting:
    """`log` has the calls that took effect, in order; `told` is empty for who was refused."""

    told: str = ""
    pin: str = ""
    log: list[str] = field(default_factory=list)
    night: Any = None

    def in_order(self, *calls: str) -> bool:
        """All took effect, and in this order; of several the last one counts."""
        last = {call: n for n, call in enumerate(self.log)}
        places = [last.get(call, -1) for call in calls]
        return -1 not in places and places == sorted(places)


class Gate:
    """Tables of one of both: stands still before its nth call until `opened`."""

    def __init__(self, tables: Any, nth: int, log: Callable[[str, Any], None]) -> None:
        self.calls = 0
        self.reached, self.opened = asyncio.Event(), asyncio.Event()
        self._tables, self._nth, self._log = tables, nth, log

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._tables, name)
        if name not in VERBS:
            return found

        async def call(*args: Any, **named: Any) -> Any:
            self.calls += 1
            if self.calls == self._nth:
                self.reached.set()
                await self.opened.wait()
            answer = await found(*args, **named)
            self._log(name, args)
            return answer

        return call

    async def until(self, work: asyncio.Task[Any]) -> None:
        """The gate is reached, or the work done."""
        waiting = asyncio.create_task(self.reached.wait())
        await asyncio.wait({waiting, work}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()


async def meet(*, night_first: int, book_first: int = 0) -> Meeting:
    """A booking begins and stands still before its call `book_first`, then a night does before its
    call `night_first`; the booking goes on to its end, then the night."""
    tables, met = FakeTables(), Meeting()
    room = await RoomWorld(tables).room()

    def booking_log(verb: str, args: Any) -> None:
        if verb == "get" and args[0] == "Rooms":
            met.log.append("room read")
        elif verb == "commit" and args[0] == "Calendar":
            met.log.append("booked")

    def night_log(verb: str, args: Any) -> None:
        if verb == "commit" and args[0] == "Rooms" and "marked" not in met.log:
            met.log.append("marked")
        elif verb == "scan" and args[0] == "Calendar" and "marked" in met.log:
            met.log.append("looked")

    gate = Gate(tables, book_first, booking_log)
    met.night = Gate(tables, night_first, night_log)
    booking, night = World(gate, **SHORT), World(met.night, **SHORT)
    booking.services.ports.random.seed(1)
    night.services.ports.random.seed(2)

    async def book() -> None:
        with suppress(Problem):
            booked = await booking.book(60, 30, room=room.room_id)
            met.told = booking.services.bookings.password(booked.room)

    booker = asyncio.create_task(book()) if book_first else None
    if booker:
        await gate.until(booker)
    nightly = asyncio.create_task(night.services.rooms.nightly())
    await met.night.until(nightly)
    gate.opened.set()
    await (booker or book())
    met.night.opened.set()
    await nightly
    world = RoomWorld(tables)
    assert not await unfinished(world, room)
    met.pin = await world.pin(room)
    return met


async def test_a_night_takes_the_rooms_of_all_tenants_a_batch_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rooms, "BATCH", 3)
    for count in (1, 2, 3, 4, 6):
        world = RoomWorld()
        every = []
        for who in (EVE, ALICE, ADMIN_OF_ZETA):
            made = [world.services.rooms.create(who, RoomCreate()) for _ in range(count)]
            every += [await room for room in made]
        old = [await world.pin(room) for room in every]
        world.faults.set(none)
        most = 0

        def rule(call: Call, when: When, world: RoomWorld = world) -> None:
            nonlocal most
            every = [row for pk in PKS for row in world.rows("Rooms", pk, "0")]
            most = max(most, sum("unfinished" in row for row in every))

        world.faults.set(rule)
        await world.services.rooms.nightly()
        world.faults.set(none)
        new = [await world.pin(room) for room in every]
        assert all(a != b for a, b in zip(old, new, strict=True))
        assert len(world.events("room.password_reset")) == 3 * count, "each once"
        assert most == 3, "no more are undecided at a time"


PKS = ("acme|00", "evil|00", "zeta|00")
ADMIN_OF_ZETA = Caller("zoe", "zeta", frozenset({"admin"}))


async def test_a_batch_that_fails_is_taken_back_and_stops_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rooms, "BATCH", 2)
    world = RoomWorld()
    every = sorted([await world.room() for _ in range(6)], key=lambda room: room.room_id)
    old = [await world.pin(room) for room in every]
    looks = 0

    def rule(call: Call, when: When) -> None:
        nonlocal looks
        if call.verb == "scan" and call.args[0] == "Calendar" and when == "before":
            looks += 1
            if looks == 3:  # the first is before all batches
                raise StorageUnavailable("cut")

    world.faults.set(rule)
    await world.services.rooms.nightly()
    world.faults.set(none)
    changed = [await world.pin(room) != pin for room, pin in zip(every, old, strict=True)]
    assert changed == [True, True, False, False, True, True]
    assert not any([await unfinished(world, room) for room in every])


async def test_a_night_that_died_leaves_the_password_that_a_booker_was_told() -> None:
    """They had read the room before its mark, and book it before it was looked for bookings."""
    world = RoomWorld()
    room = await world.room()
    told = await world.pin(room)
    booked = await world.book(60, room=room.room_id)
    pins = world.services.rooms._pins
    stored = await world.stored(room)
    assert stored
    await pins._begin_nightly(stored)
    world.clock.advance(minutes=11)
    await world.services.rooms.finish()
    assert not await unfinished(world, booked.room)
    assert await world.pin(room) == told


async def test_one_rooms_failure_does_not_stop_the_night() -> None:
    world = RoomWorld()
    janus = await world.elsewhere()
    every = [await world.room() for _ in range(3)]
    old = [await world.pin(room) for room in every]

    def rule(call: Call, when: When) -> None:
        bad = room_rk(every[1].room_id)
        if call.verb == "commit" and any(op.rk == bad for op in call.args[2]):
            raise StorageUnavailable("this one")

    world.faults.set(rule)
    await world.services.rooms.nightly()
    world.faults.set(none)
    new = [await world.pin(room) for room in every]
    assert [a != b for a, b in zip(old, new, strict=True)] == [True, False, True]
    janus.down = True
    await world.services.rooms.nightly()
    assert new == [await world.pin(room) for room in every]


FIRST, SECOND = (
    "Zmlyc3QtZmlyc3QtZmlyc3QtZmlyc3QtZmlyc3QtMTI=",
    "c2Vjb25kLXNlY29uZC1zZWNvbmQtc2Vjb25kLTEyMzQ=",
)


async def test_after_a_night_an_old_key_may_go() -> None:
    tables = FakeTables()
    world = RoomWorld(tables, encryption_keys=FIRST)
    kept, free = (await world.book(300)).room, await world.room()
    pin = await world.pin(kept)
    world = RoomWorld(tables, encryption_keys=f"{SECOND},{FIRST}")
    await world.services.rooms.nightly()
    world = RoomWorld(tables, encryption_keys=SECOND)
    assert await world.pin(kept) == pin
    assert await world.pin(free)


async def test_the_answer_of_an_idempotency_key_goes_when_nobody_can_ask_for_it() -> None:
    world = RoomWorld()
    once = world.services.keys.once(ALICE, "key", "body", lambda room: "made")
    room = await world.services.rooms.create(ALICE, RoomCreate(), "", once)
    for hours, there in ((23, True), (2, False)):
        world.clock.advance(hours=hours)
        await world.services.rooms.nightly()
        stored = await world.stored(room)
        assert stored
        assert ("answer" in stored.data) is there
    assert timedelta(hours=24) < world.now - room.created_at


async def test_the_night_goes_on_with_what_was_left() -> None:
    world, room, old = await resettable()
    calls = [call.verb for call in await verbs()]
    world.faults.kill(calls.index("edit_room") + 1, "after")
    await world.faults.until_death(reset(world, room))
    world.clock.advance(minutes=11)
    await world.services.rooms.nightly()
    assert not await unfinished(world, room)
    assert await world.pin(room) != old
