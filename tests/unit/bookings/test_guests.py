"""Guests: links of their own, revoked one by one; none is lost or doubled."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from shared.bookings.guests import MOST_EVER, Invited
from shared.bookings.making import Booked
from shared.bookings.models import SHARED_LINK, Booking
from shared.bookings.payloads import MOST_GUESTS, InviteCreate
from shared.calls.models import InviteShowRequest
from shared.events.catalogue import Audit
from shared.platform.once import Once, Replay
from shared.platform.problems import Problem
from shared.platform.tables import Conflict, StorageUnavailable
from tests.world import ADMIN, ALICE, BOB, EVE, World

BOB_BY_MAIL = InviteCreate(name="Bob", email="bob@example.test")


class Host(World):
    """A world with one booking of Alice's, in two hours."""

    booked: Booked

    @classmethod
    async def build(cls) -> Host:
        host = cls()
        host.booked = await host.book(120)
        await host.drain()
        return host

    @property
    def number(self) -> int:
        return self.booked.booking.booking_id

    async def invite(
        self, request: InviteCreate = BOB_BY_MAIL, who: Any = ALICE, key: str = ""
    ) -> Invited:
        once = self.once(key, request) if key else None
        return await self.services.guests.invite(who, self.number, request, "10.0.0.1", once)

    def once(self, key: str, request: InviteCreate) -> Once[Invited]:
        def answer(made: Invited) -> str:
            return made.guest.id

        return self.services.keys.once(ALICE, key, request.model_dump_json(), answer)

    async def revoke(self, invite_id: str, who: Any = ALICE) -> None:
        await self.services.guests.revoke(who, self.number, invite_id, "10.0.0.1")

    async def booking(self) -> Booking:
        return await self.services.guests.booking(ALICE, self.number)

    async def names(self) -> list[str | None]:
        return [guest.name for guest in (await self.booking()).guests]


@pytest.fixture
async def host() -> Host:
    return await Host.build()


async def refused(work: Any) -> tuple[int, str]:
    with pytest.raises(Problem) as problem:
        await work
    return problem.value.status, problem.value.code


async def test_a_guest_has_a_link_of_their_own(host: Host) -> None:
    made = await host.invite()
    booking = await host.booking()
    assert [guest.id for guest in booking.invites] == [SHARED_LINK, made.guest.id]
    assert booking.invites[1] == made.guest
    assert (made.guest.name, made.guest.email) == ("Bob", "bob@example.test")
    token = host.services.joining.invite_token(booking, made.guest.id)
    shown = await host.services.joining.show(InviteShowRequest(token=token))
    assert (shown.booking_id, shown.name) == (host.number, "Bob")


async def test_every_change_is_told_and_counted(host: Host) -> None:
    made = await host.invite(InviteCreate(name="Bob"))
    await host.revoke(made.guest.id)
    assert (await host.booking()).sequence == 2
    invited, revoked = host.events("invite.created") + host.events("invite.revoked")
    expected = {"booking_id": host.number, "invite_id": made.guest.id, "name": "Bob"}
    for event in (invited, revoked):
        assert {name: event["data"][name] for name in expected} == expected
        assert event["data"]["room_id"] == host.booked.room.room_id
        assert "email" not in event["data"]
        token = host.services.joining.invite_token(await host.booking(), made.guest.id)
        assert token not in json.dumps(event)
        assert "call#" not in json.dumps(event)
    await host.drain()
    assert [event.audit for event in host.left[-2:]] == [
        Audit("alice", "invite.create", "10.0.0.1"),
        Audit("alice", "invite.revoke", "10.0.0.1"),
    ]


async def test_a_revoked_guest_is_forgotten_and_the_others_stay(host: Host) -> None:
    bob = await host.invite()
    await host.invite(InviteCreate(name="Carol"))
    await host.revoke(bob.guest.id)
    assert await host.names() == ["Carol"]
    assert "bob@" not in json.dumps(host.row("Calendar", "00|20260610", f"m|{host.number}"))
    await host.revoke(bob.guest.id)
    assert len(host.events("invite.revoked")) == 1
    token = host.services.joining.invite_token(await host.booking(), bob.guest.id)
    show = host.services.joining.show(InviteShowRequest(token=token))
    assert await refused(show) == (410, "invite_revoked")
    find = host.services.guests.find(ALICE, host.number, bob.guest.id)
    assert await refused(find) == (404, "invite_not_found")


async def test_the_shared_link_can_be_revoked(host: Host) -> None:
    made = await host.invite()
    await host.revoke(SHARED_LINK)
    assert [guest.id for guest in (await host.booking()).invites] == [made.guest.id]
    token = host.services.joining.invite_token(await host.booking())
    show = host.services.joining.show(InviteShowRequest(token=token))
    assert await refused(show) == (410, "invite_revoked")


async def test_an_invite_that_never_was(host: Host) -> None:
    assert await refused(host.revoke("nobody")) == (404, "invite_not_found")
    find = host.services.guests.find(ALICE, host.number, "nobody")
    assert await refused(find) == (404, "invite_not_found")
    assert (await host.booking()).sequence == 0


@pytest.mark.parametrize("who", [BOB, EVE])
async def test_guests_are_the_bookers_and_the_admins_affair(host: Host, who: Any) -> None:
    nobody = (404, "booking_not_found")
    assert await refused(host.invite(who=who)) == nobody
    assert await refused(host.revoke(SHARED_LINK, who=who)) == nobody
    assert await refused(host.services.guests.booking(who, host.number)) == nobody
    assert await refused(host.services.guests.find(who, host.number, SHARED_LINK)) == nobody
    await host.invite(who=ADMIN)
    assert await host.names() == ["Bob"]


@pytest.mark.parametrize("how", ["over", "ended", "cancelled"])
async def test_nobody_is_invited_to_what_is_over(host: Host, how: str) -> None:
    made, bookings = await host.invite(), host.services.bookings
    if how == "cancelled":
        await bookings.cancel(ALICE, host.number, "")
    host.clock.advance(minutes=180 if how == "over" else 130)
    if how == "ended":
        await bookings.end(ALICE, host.number, "")
    assert await refused(host.invite()) == (409, "booking_closed")
    await host.revoke(made.guest.id)  # a call may still go on for a while
    assert await host.names() == []


async def test_a_booking_has_so_many_guests(host: Host) -> None:
    for _ in range(MOST_GUESTS):
        made = await host.invite()
    assert await refused(host.invite()) == (409, "too_many_guests")
    await host.revoke(made.guest.id)
    await host.invite()


async def test_a_booking_has_had_so_many_guests(host: Host) -> None:
    for _ in range(MOST_EVER):
        await host.revoke((await host.invite()).guest.id)
    assert await refused(host.invite()) == (409, "too_many_guests")


async def test_many_at_the_same_time_are_all_invited(host: Host) -> None:
    names = [f"Guest {n}" for n in range(MOST_GUESTS)]
    await asyncio.gather(*(host.invite(InviteCreate(name=name)) for name in names))
    assert sorted(map(str, await host.names())) == sorted(names)
    assert len(host.events("invite.created")) == MOST_GUESTS
    assert (await host.booking()).sequence == MOST_GUESTS


async def test_what_another_process_changes_meanwhile_stays(host: Host) -> None:
    other = World(host.tables, host.queues)
    other.services.ports.random.seed(8)
    before = len(host.tables.requests)
    carol = InviteCreate(name="Carol")
    await asyncio.gather(
        host.invite(),
        other.services.guests.invite(ALICE, host.number, carol, ""),
        other.services.guests.revoke(ALICE, host.number, SHARED_LINK, ""),
    )
    requests = host.tables.requests[before:]
    assert sum(r[:2] == ("commit", "Calendar") for r in requests) > 3, "somebody was too late"
    booking = await host.booking()
    assert sorted(str(guest.name) for guest in booking.invites) == ["Bob", "Carol"]
    assert booking.sequence == 3


async def test_whoever_is_always_too_late_is_asked_to_come_back(host: Host) -> None:
    def fail(verb: str, table: str, pk: str) -> None:
        if (verb, table) == ("commit", "Calendar"):
            raise Conflict("etag")

    async def at_once(attempt: int) -> None:
        """No pause between the tries."""

    host.services.guests._contention._pause = at_once
    host.tables.fail = fail
    assert await refused(host.invite(key="k")) == (503, "calendar_busy")
    host.tables.fail = lambda verb, table, pk: None
    assert await host.names() == []
    await host.invite(key="k")  # the key was given back
    assert await host.names() == ["Bob"]


# -- idempotency keys --------------------------------------------------------------------------


async def test_the_same_request_again_invites_once(host: Host) -> None:
    made = await host.invite(key="k")
    host.clock.advance(hours=4)  # also when the booking is over
    with pytest.raises(Replay) as replay:
        await host.invite(key="k")
    assert replay.value.answer == made.guest.id
    assert await host.names() == ["Bob"]
    other = host.invite(InviteCreate(name="Carol"), key="k")
    assert await refused(other) == (422, "idempotency_key_reused")


async def test_a_refused_request_gives_its_key_back(host: Host) -> None:
    for _ in range(MOST_GUESTS):
        last = await host.invite()
    assert await refused(host.invite(key="k")) == (409, "too_many_guests")
    await host.revoke(last.guest.id)
    await host.invite(key="k")


async def test_a_lost_answer_is_no_lost_guest(host: Host) -> None:
    lose_commits(host)
    made = await host.invite()
    await host.revoke(SHARED_LINK)
    host.tables.fail = lambda verb, table, pk: None
    assert [guest.id for guest in (await host.booking()).invites] == [made.guest.id]
    assert len(host.events("invite.created")) == len(host.events("invite.revoked")) == 1


def lose_commits(host: Host) -> None:
    def fail(verb: str, table: str, pk: str) -> None:
        if (verb, table) == ("commit!", "Calendar"):
            raise StorageUnavailable("the answer is lost")

    host.tables.fail = fail


async def _dies_at(nth: int, after: bool) -> bool:
    """Whether there was an nth request to storage to die at, before or after it took effect."""
    host = await Host.build()
    seen: list[str] = []

    def fail(verb: str, table: str, pk: str) -> None:
        if verb.endswith("!") == after:
            seen.append(verb)
        if len(seen) >= nth:  # and whatever comes next fails too: the process is dead
            raise StorageUnavailable("dead")

    host.tables.fail = fail
    try:
        await host.invite(key="k")
        return False
    except StorageUnavailable:
        pass
    host.tables.fail = lambda verb, table, pk: None
    host.clock.advance(seconds=61)
    try:
        again = (await host.invite(key="k")).guest.id
    except Replay as replay:
        again = replay.answer
    assert [guest.id for guest in (await host.booking()).guests] == [again]
    await host.drain()
    told = [e for e in host.left if e.type == "invite.created"]
    assert [e.data["invite_id"] for e in told] == [again]
    assert (await host.booking()).sequence == 1
    return True


@pytest.mark.parametrize("after", [False, True])
async def test_a_crash_anywhere_leaves_one_guest_after_a_retry(after: bool) -> None:
    nth = 1
    while await _dies_at(nth, after):
        nth += 1
    assert nth > 2, "it was tried"
