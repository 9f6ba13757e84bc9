"""Joins and leaves in the audit trail: each once, whoever notices it, however often and when."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.calls.models import InviteJoinRequest, JoinRequest, Ticket
from shared.platform.tables import StorageUnavailable
from tests.fakes.janus import FakeJanus
from tests.world import ALICE, ALICE_AT, GUEST_AT, World


class Killed(BaseException):
    pass


class Talk:
    """Two tickets for one room; nobody is in the room yet."""

    def __init__(self, world: World, janus: FakeJanus, tickets: list[Ticket]) -> None:
        self.world, self.janus = world, janus
        self.alice, self.guest = tickets

    def enter(self, *tickets: Ticket) -> None:
        for ticket in tickets:
            self.janus.join(ticket.room_id, ticket.participant_id)

    def vanish(self) -> None:
        self.janus.people[self.alice.room_id].clear()

    async def tell(self, kind: str, *tickets: Ticket) -> None:
        await self.world.tell(*(self.world.event(kind, ticket) for ticket in tickets))

    def trail(self) -> list[dict[str, Any]]:
        """In the order in which it happened."""
        rows = [
            dict(row.data)
            for (table, _), found in self.world.tables.rows.items()
            if table == "Audit"
            for row in found.values()
            if str(row.data.get("action", "")).startswith("call.")
        ]
        return sorted(rows, key=lambda row: (row["at"], row["actor"]))

    def told(self) -> list[tuple[str, str, str]]:
        return [(row["action"], row["actor"], row["at"]) for row in self.trail()]


async def talk() -> Talk:
    world = World()
    booked = await world.book()
    janus = await world.ready(booked)
    tickets = [await world.join(booked), await world.join_invited(booked)]
    world.clock.advance(seconds=1)
    return Talk(world, janus, tickets)


async def test_who_joins_and_leaves_is_told_with_time_and_address() -> None:
    t = await talk()
    t.enter(t.alice, t.guest)
    await t.tell("joined", t.alice, t.guest)
    t.world.clock.advance(minutes=5)
    await t.tell("left", t.guest)
    first, second, third = t.trail()
    assert first["actor"] == "alice"
    assert first["action"] == "call.join"
    assert first["at"] == "2026-06-10T09:00:01Z"
    assert first["subject"] == f"booking/{t.alice.booking_id}"
    assert first["address"] == ALICE_AT
    assert json.loads(first["details"]) == {
        "booking_id": t.alice.booking_id,
        "room_id": t.alice.room_id,
        "participant_id": t.alice.participant_id,
        "display": "Alice",
    }
    assert (second["actor"], second["action"], second["address"]) == (
        "invite:guest", "call.join", GUEST_AT,
    )  # fmt: skip
    assert (third["actor"], third["action"], third["address"], third["at"]) == (
        "invite:guest", "call.leave", GUEST_AT, "2026-06-10T09:05:01Z",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("header", "address"), [("\udcff\n", "??"), ("", ""), ("9" * 99, "9" * 64)]
)
async def test_no_header_keeps_anybody_out(header: str, address: str) -> None:
    world = World()
    booked = await world.book()
    janus = await world.ready(booked)
    joining, request = world.services.joining, JoinRequest(nonce="nonce-123")
    token = joining.invite_token(booked.booking)
    invited = InviteJoinRequest(token=token, nonce="nonce-123")
    t = Talk(world, janus, [
        await joining.by_booker(ALICE, booked.booking.booking_id, request, header),
        await joining.by_invite(invited, header),
    ])  # fmt: skip
    await t.tell("joined", t.alice, t.guest)
    assert [row["address"] for row in t.trail()] == [address, address]


async def test_a_ticket_alone_is_no_join() -> None:
    t = await talk()
    await t.world.tick()
    assert not t.trail()


async def test_media_proves_a_join_whose_report_was_lost() -> None:
    t = await talk()
    await t.tell("webrtc_up", t.alice)
    assert t.told() == [("call.join", "alice", "2026-06-10T09:00:01Z")]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
async def test_whatever_the_order_and_however_often_each_is_told_once(
    order: tuple[int, ...],
) -> None:
    t = await talk()
    events = [t.world.event("joined", t.alice), t.world.event("webrtc_up", t.alice)]
    t.world.clock.advance(minutes=1)
    events += [t.world.event("left", t.alice), t.world.event("left", t.alice)]
    for n in order:
        await t.world.tell(events[n])
        t.world.clock.advance(seconds=7)
    await t.world.tell(*events)
    assert sorted(action for action, _, _ in t.told()) == ["call.join", "call.leave"]
    assert {row["address"] for row in t.trail()} == {ALICE_AT}


async def test_what_is_only_seen_by_looking_is_told_too() -> None:
    t = await talk()
    t.enter(t.alice)
    await t.world.tick()
    t.world.clock.advance(minutes=5)
    t.vanish()
    await t.world.tick()
    assert t.told() == [
        ("call.join", "alice", "2026-06-10T09:00:01Z"),
        ("call.leave", "alice", "2026-06-10T09:05:01Z"),
    ]
    await t.tell("joined", t.alice)
    await t.tell("left", t.alice)
    assert len(t.trail()) == 2


async def test_an_event_and_a_look_at_the_same_time_are_one_join() -> None:
    t = await talk()
    t.enter(t.alice, t.guest)
    events = [t.world.event("joined", ticket) for ticket in (t.alice, t.guest)]
    t.world.clock.advance(seconds=20)
    await asyncio.gather(t.world.tell(*events), t.world.tick(), t.world.tell(*events))
    assert sorted(actor for _, actor, _ in t.told()) == ["alice", "invite:guest"]


async def test_a_crash_anywhere_loses_no_join_and_no_leave() -> None:
    """Killed at the nth storage call, then the queue brings the message again, and a look of the
    reconciler comes in between."""
    n = 0
    while await crashed(n):
        n += 1
    assert n > 10


async def crashed(at: int) -> bool:
    t = await talk()
    seen = 0

    def fail(verb: str, table: str, pk: str) -> None:
        nonlocal seen
        seen += 1
        if seen == at + 1:
            raise Killed

    async def deliver(kind: str) -> bool:
        event = t.world.event(kind, t.alice)
        t.world.tables.fail = fail
        try:
            await t.world.tell(event)
            killed = False
        except Killed:
            killed = True
        t.world.tables.fail = lambda *_: None
        t.world.clock.advance(seconds=30)
        await t.world.tick()
        await t.world.tell(event)
        return killed

    t.enter(t.alice)
    killed = await deliver("joined")
    assert [action for action, _, _ in t.told()] == ["call.join"]
    seen = 0
    t.vanish()
    killed = await deliver("left") or killed
    assert [action for action, _, _ in t.told()] == ["call.join", "call.leave"]
    assert {row["address"] for row in t.trail()} == {ALICE_AT}
    return killed


async def test_a_trail_that_cannot_be_written_holds_the_join_back_until_it_can() -> None:
    t = await talk()

    def fail(verb: str, table: str, pk: str) -> None:
        if table == "Audit":
            raise StorageUnavailable("only here")

    t.world.tables.fail = fail
    with pytest.raises(StorageUnavailable):
        await t.tell("joined", t.alice)
    t.world.tables.fail = lambda *_: None
    t.enter(t.alice)
    await t.world.tick()
    assert len(t.trail()) == 1


async def test_nothing_but_the_trail_ever_shows_an_address(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG):
        t = await talk()
        t.enter(t.alice, t.guest)
        await t.tell("joined", t.alice, t.guest)
        t.vanish()
        await t.tell("left", t.alice, t.guest)
        calls = t.world.rows("Calls", str(t.alice.room_id), "c|")
        await t.world.drain()
    kept = t.world.rows("Calls", str(t.alice.room_id))
    assert calls
    assert t.world.left
    told = [event.envelope() for event in t.world.left]
    for address in (ALICE_AT, GUEST_AT):
        assert address not in str([calls, kept, told, t.world.queues.messages])
        assert address not in caplog.text
        assert address in str(t.trail())


async def test_visits_of_an_older_version_have_no_address() -> None:
    t = await talk()
    room = str(t.alice.room_id)
    rows = t.world.tables.rows[("Calls", room)]
    for row in rows.values():
        row.data.pop("address", None)  # type: ignore[attr-defined]
    await t.tell("joined", t.alice)
    assert [row["address"] for row in t.trail()] == [""]


async def test_a_leave_after_midnight_stands_in_its_own_day() -> None:
    world = World()
    world.clock.time = datetime(2026, 6, 10, 23, 58, tzinfo=UTC)
    booked = await world.book()
    janus = await world.ready(booked)
    ticket = await world.join(booked)
    janus.join(ticket.room_id, ticket.participant_id)
    await world.tell(world.event("joined", ticket))
    world.clock.advance(minutes=5)
    await world.tell(world.event("left", ticket))
    days = {
        pk: [row.data["action"] for rk, row in rows.items() if not rk.startswith("~")]
        for (table, pk), rows in world.tables.rows.items()
        if table == "Audit" and pk.endswith("acme")
    }
    assert days["20260610|acme"][-1] == "call.join"
    assert days["20260611|acme"] == ["call.leave"]
