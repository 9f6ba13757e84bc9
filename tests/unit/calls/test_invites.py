"""Invites: each guest's own, which is revoked without the others, and the one that all may have."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from shared.bookings.claims import home_of
from shared.bookings.making import Booked
from shared.bookings.models import RoomCreate
from shared.bookings.payloads import BookingExtend, BookingPatch, GuestCreate
from shared.bookings.rows import TABLE
from shared.calls.models import InviteJoinRequest, InviteShown, InviteShowRequest, Ticket
from shared.events.catalogue import DomainEvent
from shared.platform.clock import iso
from shared.platform.problems import Problem
from tests.fakes.janus import FakeJanus
from tests.world import ADMIN, ALICE, World


async def refused(coroutine: Any) -> Problem:
    with pytest.raises(Problem) as problem:
        await coroutine
    return problem.value


async def party(
    start: float = 0, size: int = 2, *names: str | None
) -> tuple[World, Booked, FakeJanus]:
    """A booking of alice's with guests who have an invite each."""
    world = World(cancel_notice=timedelta(0))
    rooms = world.services.bookings._rooms
    room = rooms.draft(ALICE.tenant, 0, RoomCreate(max_participants=size))
    await rooms.insert(room)
    guests = tuple(GuestCreate(name=n) if n else GuestCreate(email="x@y.z") for n in names)
    request = world.request(start, 60, room.room_id).model_copy(update={"guests": guests})
    booked = await world.services.bookings.create(ALICE, request, "")
    return world, booked, await world.ready(booked)


def token_of(world: World, booked: Booked, which: int | None = None) -> str:
    """Of the guest with this number; of the shared link for None."""
    booking = booked.booking
    invite_id = "guest" if which is None else booking.guests[which].id
    return world.services.joining.invite_token(booking, invite_id)


async def join(
    world: World,
    booked: Booked,
    which: int | None = None,
    nonce: str = "nonce-guest",
    display: str | None = None,
) -> Ticket:
    token = token_of(world, booked, which)
    request = InviteJoinRequest(token=token, nonce=nonce, display=display)
    return await world.services.joining.by_invite(request, "")


async def show(world: World, booked: Booked, which: int | None = None) -> InviteShown:
    request = InviteShowRequest(token=token_of(world, booked, which))
    return await world.services.joining.show(request)


async def revoke(world: World, booked: Booked, invite_id: str) -> DomainEvent:
    number = booked.booking.booking_id
    await world.services.guests.revoke(ALICE, number, invite_id, "")
    events = [DomainEvent.from_row(row) for row in world.rows(TABLE, home_of(number), "o|")]
    return next(event for event in events if event.data.get("invite_id") == invite_id)


# -- whose link it is ------------------------------------------------------------------------------


async def test_a_guest_is_called_by_name_unless_they_say_otherwise() -> None:
    world, booked, _ = await party(0, 4, "Maria", None)
    assert (await join(world, booked, 0)).display == "Maria"
    assert (await join(world, booked, 0, display="Mia")).display == "Mia"
    assert (await join(world, booked, 1)).display == ""
    assert (await join(world, booked)).display == ""


async def test_links_are_all_different_and_always_the_same() -> None:
    world, booked, _ = await party(0, 4, "Maria", "Nuno")
    invites = [guest.id for guest in booked.booking.invites]
    urls = [world.services.invite_url(booked.booking, invite_id) for invite_id in invites]
    assert len(set(urls)) == 3
    assert urls[0] == world.services.invite_url(booked.booking)
    world.clock.advance(minutes=7)
    later = dataclasses.replace(booked.booking, end=booked.booking.end + timedelta(hours=1))
    assert urls == [world.services.invite_url(later, invite_id) for invite_id in invites]


async def test_a_guest_has_one_seat_wherever_the_newest_browser_is() -> None:
    world, booked, janus = await party(0, 2, "Maria")
    first = await join(world, booked, 0, "first-tab")
    janus.join(first.room_id, first.participant_id)
    second = await join(world, booked, 0, "second-tab")
    assert not janus.people[first.room_id], "the older one is out"
    assert second.participant_id != first.participant_id
    assert await world.join(booked), "and the host finds a seat"


async def test_the_shared_link_is_somebody_else_in_each_browser() -> None:
    world, booked, _ = await party(0, 3)
    for nonce in ("first-tab", "second-tab", "first-tab"):
        assert await join(world, booked, None, nonce)
    assert (await refused(join(world, booked, None, "third-tab"))).code == "room_full"


async def test_guests_with_links_of_their_own_share_the_room_with_the_others() -> None:
    world, booked, _ = await party(0, 3, "Maria", "Nuno")
    await join(world, booked, 0)
    await join(world, booked)
    assert (await refused(join(world, booked, 1))).code == "room_full"
    assert await join(world, booked, 0, "another-tab")
    assert await world.join(booked)


# -- revoking --------------------------------------------------------------------------------------


async def test_a_revoked_invite_opens_nothing_and_the_others_still_do() -> None:
    world, booked, _ = await party(0, 4, "Maria", "Nuno")
    await revoke(world, booked, booked.booking.guests[0].id)
    for refusal in (join(world, booked, 0), show(world, booked, 0)):
        problem = await refused(refusal)
        assert (problem.status, problem.code) == (410, "invite_revoked")
    assert await join(world, booked, 1)
    assert await join(world, booked)
    await revoke(world, booked, "guest")
    assert (await refused(join(world, booked))).code == "invite_revoked"
    assert await join(world, booked, 1)


async def test_an_invite_that_was_never_issued_is_none() -> None:
    world, booked, _ = await party(0, 2, "Maria")
    token = world.services.joining.invite_token(booked.booking, "made-up")
    request = InviteJoinRequest(token=token, nonce="nonce-123")
    problem = await refused(world.services.joining.by_invite(request, ""))
    assert (problem.status, problem.code) == (410, "invite_revoked")


async def test_whose_invite_is_revoked_is_thrown_out_and_nobody_else() -> None:
    world, booked, janus = await party(0, 4, "Maria", "Nuno")
    tickets = [await world.join(booked), await join(world, booked), await join(world, booked, 1)]
    maria = await join(world, booked, 0)
    for ticket in (*tickets, maria):
        janus.join(ticket.room_id, ticket.participant_id)
    await world.tell(*(world.event("joined", ticket) for ticket in (*tickets, maria)))
    await world.drain()
    world.clock.advance(minutes=1)
    await revoke(world, booked, booked.booking.guests[0].id)
    await world.drain()
    assert {p.id for p in janus.people[maria.room_id]} == {t.participant_id for t in tickets}


async def test_revoking_the_shared_link_throws_out_all_who_came_by_it() -> None:
    world, booked, janus = await party(0, 4, "Maria")
    shared = [await join(world, booked, None, f"nonce-{n}-of-two") for n in range(2)]
    maria = await join(world, booked, 0)
    for ticket in (*shared, maria):
        janus.join(ticket.room_id, ticket.participant_id)
    await revoke(world, booked, "guest")
    await world.drain()
    assert {p.id for p in janus.people[maria.room_id]} == {maria.participant_id}


async def test_the_seat_of_a_revoked_guest_is_free_at_once() -> None:
    world, booked, _ = await party(0, 2, "Maria", "Nuno")
    await join(world, booked, 0)
    assert (await refused(join(world, booked, 1))).code == "room_full"
    await revoke(world, booked, booked.booking.guests[0].id)
    await world.drain()
    assert await join(world, booked, 1)


async def test_a_revocation_told_twice_changes_nothing_more() -> None:
    world, booked, _ = await party(0, 3, "Maria", "Nuno")
    await join(world, booked, 0)
    event = await revoke(world, booked, booked.booking.guests[0].id)
    await world.drain()
    nuno = await join(world, booked, 1)
    await world.services.calls.on_event(event)
    seats = world.rows("Calls", str(nuno.room_id), "s|")
    assert [seat["participant_id"] for seat in seats] == [nuno.participant_id]


async def test_whoever_is_revoked_while_joining_has_no_seat_in_the_end() -> None:
    """Whatever storage request of the join the revocation, and all that follows, comes before."""
    nth = 1
    while await revoked_before(nth):
        nth += 1
    assert nth > 5


async def test_a_revocation_told_twice_at_the_same_time_is_done_once() -> None:
    world, booked, _ = await party(0, 2, "Maria")
    await join(world, booked, 0)
    event = await revoke(world, booked, booked.booking.guests[0].id)
    await asyncio.gather(*(world.services.calls.on_event(event) for _ in range(2)))
    assert not world.rows("Calls", str(booked.room.room_id), "s|")


async def revoked_before(nth: int) -> bool:
    """False when the join has fewer requests."""
    world, booked, _ = await party(0, 2, "Maria")
    seen = 0

    def late(method: Any) -> Any:
        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            nonlocal seen
            seen += 1
            if seen == nth:
                await revoke(world, booked, booked.booking.guests[0].id)
                await world.drain()
            return await method(*args, **kwargs)

        return wrapped

    for verb in ("get", "commit", "query"):
        setattr(world.tables, verb, late(getattr(world.tables, verb)))
    outcome = await asyncio.gather(join(world, booked, 0), return_exceptions=True)
    if seen < nth:
        return False
    assert isinstance(outcome[0], Problem)
    assert outcome[0].code == "invite_revoked"
    await world.drain()
    assert not world.rows("Calls", str(booked.room.room_id), "s|")
    return True


# -- what an invite tells --------------------------------------------------------------------------


async def test_it_tells_when_the_call_begins_and_whose_the_invite_is() -> None:
    world, booked, _ = await party(30, 2, "Maria")
    shown = await show(world, booked, 0)
    assert shown.model_dump(mode="json") == {
        "booking_id": booked.booking.booking_id,
        "start_time": "2026-06-10T09:30:00Z",
        "end_time": "2026-06-10T10:30:00Z",
        "phase": "scheduled",
        "opens_at": "2026-06-10T09:20:00Z",
        "name": "Maria",
    }
    assert (await show(world, booked)).name is None


@pytest.mark.parametrize(
    ("minutes", "phase"), [(0, "scheduled"), (20, "open"), (30, "running"), (90, "over")]
)
async def test_it_tells_the_phase(minutes: float, phase: str) -> None:
    world, booked, _ = await party(30)
    world.clock.advance(minutes=minutes)
    assert (await show(world, booked)).phase == phase


async def test_it_tells_that_the_booking_was_cancelled_or_ended() -> None:
    world, booked, _ = await party(30)
    await world.services.bookings.cancel(ALICE, booked.booking.booking_id, "")
    assert (await show(world, booked)).phase == "cancelled"
    world, booked, _ = await party()
    world.clock.advance(minutes=5)
    await world.services.bookings.end(ALICE, booked.booking.booking_id, "")
    assert (await show(world, booked)).phase == "ended"


async def test_showing_takes_no_seat_and_needs_no_machine() -> None:
    world = World()
    booked = await world.book()
    assert await show(world, booked)
    assert not world.rows("Calls", str(booked.room.room_id))


@pytest.mark.parametrize("token", ["x", "a.b.c"])
async def test_a_forged_invite_shows_nothing(token: str) -> None:
    problem = await refused(World().services.joining.show(InviteShowRequest(token=token)))
    assert (problem.status, problem.code) == (401, "invite_invalid")


# -- moved and extended ----------------------------------------------------------------------------


async def test_the_link_survives_a_move() -> None:
    world, booked, _ = await party(25)
    token = token_of(world, booked)
    start = world.now + timedelta(days=3)
    patch = BookingPatch(start_time=start)
    await world.services.bookings.reschedule(ALICE, booked.booking.booking_id, patch, "")
    shown = await world.services.joining.show(InviteShowRequest(token=token))
    assert (shown.start_time, shown.phase) == (start, "scheduled")
    problem = await refused(join(world, booked))
    assert problem.extra["opens_at"] == iso(start - timedelta(minutes=10))


async def test_an_extended_call_is_entered_again_with_tokens_that_last_as_long() -> None:
    world, booked, janus = await party(0, 2, "Maria")
    tabs = (lambda: world.join(booked), lambda: join(world, booked, 0))
    for ticket in [await tab() for tab in tabs]:
        janus.join(ticket.room_id, ticket.participant_id)
        assert ticket.expires_at == booked.booking.end + timedelta(minutes=10)
    world.clock.advance(minutes=50)
    later = booked.booking.end + timedelta(minutes=30)
    request = BookingExtend(end_time=later)
    await world.services.bookings.extend(ALICE, booked.booking.booking_id, request, "")
    for minutes in (0, 15):  # before the end that it had first, and after
        world.clock.advance(minutes=minutes)
        await world.tick()
        for ticket in [await tab() for tab in tabs]:
            assert (ticket.end_time, ticket.expires_at) == (later, later + timedelta(minutes=10))
            janus.join(ticket.room_id, ticket.participant_id)
            await world.tell(world.event("joined", ticket))
        await world.tick()
        assert len(janus.people[booked.room.room_id]) == 2, "each tab replaced itself"
    world.clock.advance(minutes=25)
    for tab in tabs:
        assert (await refused(tab())).code == "booking_over"


async def test_a_booking_that_is_over_or_cancelled_refuses_its_invites() -> None:
    world, booked, _ = await party(20, 2, "Maria")
    await world.services.bookings.cancel(ADMIN, booked.booking.booking_id, "")
    assert (await refused(join(world, booked, 0))).code == "booking_cancelled"
    world, booked, _ = await party(0, 2, "Maria")
    world.clock.advance(minutes=61)
    assert (await refused(join(world, booked, 0))).code == "booking_over"
