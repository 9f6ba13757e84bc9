"""Joining: the window, the seats, and what a ticket holds."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from shared.calls.models import JoinRequest
from shared.janus.keys import room_secret, vm_keys
from shared.janus.tokens import room_token, session_token
from shared.platform.problems import Problem
from tests.world import ADMIN, BOB, EVE, World


async def refused(coroutine: object) -> Problem:
    with pytest.raises(Problem) as problem:
        await coroutine  # type: ignore[misc]
    return problem.value


async def test_a_ticket_opens_the_room_and_nothing_else() -> None:
    world = World()
    booked = await world.book()
    await world.ready(booked)
    ticket = await world.join(booked)
    secret = vm_keys("j" * 32, "janus-0").token_secret
    expires = booked.booking.end + timedelta(minutes=10)
    assert ticket.session_token == session_token(secret, expires)
    assert ticket.room_token == room_token(secret, booked.room.room_id, expires)
    assert ticket.pin == world.services.bookings.password(booked.room)
    assert ticket.expires_at == expires
    assert (ticket.host, ticket.display) == (True, "Alice")
    assert ticket.janus_url == "ws://janus-0:8188"
    assert ticket.janus_urls == ["ws://janus-0:8188", "http://janus-0:8190/janus"]
    guest = await world.join_invited(booked)
    assert (guest.host, guest.display) == (False, "Guest")
    assert guest.participant_id != ticket.participant_id


async def test_too_early_says_when_it_opens() -> None:
    world = World()
    booked = await world.book(20)
    await world.ready(booked)
    problem = await refused(world.join(booked))
    assert (problem.status, problem.code) == (403, "too_early")
    assert problem.extra["opens_at"] == "2026-06-10T09:10:00Z"
    world.clock.advance(minutes=10)
    assert await world.join(booked)


async def test_early_people_wait_for_the_end_of_the_call_before() -> None:
    world = World()
    before = await world.book(0, 60)
    after = await world.book(60, 60, room=before.room.room_id)
    await world.ready(before)
    world.clock.advance(minutes=55)
    await world.tick()
    problem = await refused(world.join(after))
    assert problem.extra["opens_at"] == "2026-06-10T10:00:00Z"
    world.clock.advance(minutes=5)
    assert await world.join(after)


async def test_those_of_the_call_before_are_thrown_out() -> None:
    world = World()
    before = await world.book(0, 60)
    after = await world.book(60, 60, room=before.room.room_id)
    janus = await world.ready(before)
    ticket = await world.join(before)
    janus.join(before.room.room_id, ticket.participant_id)
    world.clock.advance(minutes=61)
    await world.tick()
    await world.join(after)
    assert not janus.people[before.room.room_id]


@pytest.mark.parametrize("minutes", [60, 600])
async def test_over_is_over(minutes: float) -> None:
    world = World()
    booked = await world.book(0, 60)
    await world.ready(booked)
    world.clock.advance(minutes=minutes)
    assert (await refused(world.join(booked))).code == "booking_over"
    assert (await refused(world.join_invited(booked))).status == 410


async def test_ended_and_cancelled_are_over_too() -> None:
    world = World(cancel_notice=timedelta(0))
    ended, cancelled = await world.book(0, 60), await world.book(20, 60)
    await world.ready(ended)
    bookings = world.services.bookings
    await bookings.end(ADMIN, ended.booking.booking_id, "")
    await bookings.cancel(ADMIN, cancelled.booking.booking_id, "")
    assert (await refused(world.join(ended))).code == "booking_over"
    assert (await refused(world.join(cancelled))).code == "booking_cancelled"


async def test_while_the_machine_starts_it_says_so() -> None:
    world = World()
    booked = await world.book()
    problem = await refused(world.join(booked))
    assert (problem.status, problem.extra["state"]) == (425, "waiting")
    assert problem.headers["Retry-After"]
    assert world.queues.take("fleet-wake")
    await world.tick()
    assert (await refused(world.join(booked))).extra["state"] == "starting"


@pytest.mark.parametrize("who", [BOB, EVE, ADMIN])
async def test_only_the_booker_joins_by_the_booking(who: object) -> None:
    world = World()
    booked = await world.book()
    await world.ready(booked)
    join = world.services.joining.by_booker(
        who,  # type: ignore[arg-type]
        booked.booking.booking_id,
        JoinRequest(nonce="nonce-123"),
        "",
    )
    assert (await refused(join)).status == 404


async def test_a_third_person_finds_no_seat() -> None:
    world = World()
    booked = await world.book()
    await world.ready(booked)
    await world.join(booked)
    await world.join_invited(booked)
    assert (await refused(world.join_invited(booked, "another-one"))).code == "room_full"


async def test_the_booker_has_one_seat_wherever_the_newest_browser_is() -> None:
    world = World()
    booked = await world.book()
    janus = await world.ready(booked)
    first = await world.join(booked, "first-tab")
    janus.join(booked.room.room_id, first.participant_id)
    await world.join(booked, "second-tab")
    assert not janus.people[booked.room.room_id], "the older one is out"
    assert await world.join_invited(booked), "and the guest finds a seat"


async def test_guests_never_lock_the_host_out() -> None:
    world = World()
    booked = await world.book()
    await world.ready(booked)
    await world.join_invited(booked, "guest-number-1")
    for n in range(2, 5):
        problem = await refused(world.join_invited(booked, f"guest-number-{n}"))
        assert problem.code == "room_full"
    assert await world.join(booked)


async def test_an_old_ticket_holds_no_seat() -> None:
    """Whoever was replaced, or came for an earlier booking, is thrown out when they join."""
    world = World()
    booked = await world.book()
    janus = await world.ready(booked)
    old = await world.join_invited(booked)
    await world.join_invited(booked)
    world.queues.messages.clear()
    world.clock.advance(seconds=5)
    janus.join(booked.room.room_id, old.participant_id)
    await world.tell(world.event("joined", old))
    await world.drain(1)
    assert not janus.people[booked.room.room_id]


async def test_after_a_janus_restart_the_seats_belong_to_those_who_were_there() -> None:
    world = World()
    booked = await world.book()
    janus = await world.ready(booked)
    tickets = [await world.join(booked), await world.join_invited(booked)]
    for ticket in tickets:
        janus.join(booked.room.room_id, ticket.participant_id)
        await world.tell(world.event("joined", ticket))
    world.clock.advance(minutes=5)
    world.compute.crash("janus-0")
    await world.tick()
    await world.tick()  # the room is back, and empty
    assert (await refused(world.join_invited(booked, "third-one"))).code == "room_full"
    world.clock.advance(seconds=20)
    assert (await refused(world.join_invited(booked, "third-one"))).code == "room_full"
    assert await world.join_invited(booked)
    assert await world.join(booked)


async def test_a_ticket_holds_no_key_of_ours() -> None:
    world = World()
    booked = await world.book()
    await world.ready(booked)
    ticket = (await world.join(booked)).model_dump_json()
    keys = vm_keys("j" * 32, "janus-0")
    for secret in (
        keys.token_secret,
        keys.admin_secret,
        keys.create_key,
        keys.event_password,
        room_secret("j" * 32, booked.room.room_id),
        *("j" * 32, "l" * 32, "s" * 32),
    ):
        assert secret not in ticket


async def test_racing_for_the_last_seat_only_one_gets_it() -> None:
    world = World()
    booked = await world.book()
    await world.ready(booked)
    await world.join(booked)
    tries = (world.join_invited(booked, f"guest-number-{n}") for n in range(5))
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    refusals = [o for o in outcomes if isinstance(o, Problem)]
    assert len(refusals) == 4
    assert {p.code for p in refusals} <= {"room_full", "calendar_busy"}


async def test_the_same_browser_replaces_itself() -> None:
    world = World()
    booked = await world.book()
    janus = await world.ready(booked)
    first = await world.join(booked)
    janus.join(booked.room.room_id, first.participant_id)
    await world.join_invited(booked)
    again = await world.join(booked)
    assert again.participant_id != first.participant_id
    assert not janus.people[booked.room.room_id], "its ghost is out before we answer"


async def test_whoever_leaves_frees_the_seat() -> None:
    world = World()
    booked = await world.book()
    janus = await world.ready(booked)
    await world.join(booked)
    guest = await world.join_invited(booked)
    janus.join(booked.room.room_id, guest.participant_id)
    await world.tell(world.event("joined", guest), world.event("left", guest))
    janus.leave(booked.room.room_id, guest.participant_id)
    assert await world.join_invited(booked, "another-one")


async def test_a_browser_that_never_came_holds_its_seat_for_a_minute() -> None:
    world = World()
    booked = await world.book()
    await world.ready(booked)
    await world.join(booked)
    await world.join_invited(booked)
    world.clock.advance(seconds=59)
    assert (await refused(world.join_invited(booked, "another-one"))).code == "room_full"
    world.clock.advance(seconds=2)
    assert await world.join_invited(booked, "another-one")


async def test_a_janus_that_does_not_answer_is_a_503_and_wakes_the_reconciler() -> None:
    world = World()
    booked = await world.book()
    janus = await world.ready(booked)
    world.queues.messages.clear()
    janus.down = True
    assert (await refused(world.join(booked))).code == "janus_unavailable"
    assert world.queues.take("fleet-wake")


async def test_a_janus_that_forgot_the_room_is_a_425_and_wakes_the_reconciler() -> None:
    world = World()
    booked = await world.book()
    janus = await world.ready(booked)
    world.queues.messages.clear()
    janus.wipe()
    assert (await refused(world.join(booked))).status == 425
    await world.drain(1)
    assert await world.join(booked)


async def test_an_invite_of_another_key_is_refused() -> None:
    world, other = World(), World(link_key="x" * 32)
    booked = await world.book()
    foreign = await other.book()
    await world.ready(booked)
    token = other.services.joining.invite_token(foreign.booking)
    from shared.calls.models import InviteJoinRequest

    request = InviteJoinRequest(token=token, nonce="nonce-123")
    assert (await refused(world.services.joining.by_invite(request, ""))).code == "invite_invalid"
