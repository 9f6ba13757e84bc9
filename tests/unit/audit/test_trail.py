"""The audit trail: one entry for each change, read by admins, forgotten in time, never a secret."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from shared.audit.models import AuditEntry
from shared.events.catalogue import Audit, DomainEvent, EventType
from shared.platform import logs
from shared.platform.auth import Caller
from shared.platform.ids import PLATFORM_TENANT
from shared.platform.problems import Problem
from shared.platform.tables import Conflict, Insert
from tests.world import ADMIN, ALICE, EVE, World

OPERATOR = Caller("olga", "acme", frozenset({"operator"}))
DONE = Audit("alice", "booking.create", "10.1.2.3:5555")


async def happen(
    world: World,
    kind: EventType = EventType.INVITE_CREATED,
    audit: Audit | None = DONE,
    *,
    tenant: str = "acme",
    subject: str = "booking/7",
    data: Mapping[str, Any] | None = None,
) -> DomainEvent:
    """Commits an event, as every change does; `World.drain` brings it to the trail."""
    outbox = world.services.bookings._outbox
    event = outbox.event(kind, tenant, subject, data or {"booking_id": 7}, audit=audit)
    await outbox.commit("T", "pk", [Insert(f"row {event.id}", {})], [event])
    return event


async def entries(
    world: World,
    who: Caller = ADMIN,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    after: str = "",
    limit: int = 200,
    platform: bool = False,
    **equal: str | None,
) -> tuple[list[AuditEntry], str]:
    trail = world.services.audit
    wanted = trail.wanted(since, until, equal)
    return await trail.page(who, wanted, after, limit, platform=platform)


async def everything(world: World, limit: int, **wanted: Any) -> list[AuditEntry]:
    found, after = await entries(world, limit=limit, **wanted)
    while after:
        page, after = await entries(world, limit=limit, after=after, **wanted)
        found += page
    return found


def rows(world: World) -> list[dict[str, Any]]:
    return [
        {"pk": pk, "rk": rk, **row.data}
        for (table, pk), found in sorted(world.tables.rows.items())
        if table == "Audit"
        for rk, row in sorted(found.items())
    ]


async def test_a_change_says_who_did_what_when_and_from_where() -> None:
    world = World()
    logs.new_operation("operation-1234")
    event = await happen(world, data={"booking_id": 7, "start_time": "2026-06-10T10:00:00Z"})
    world.clock.advance(minutes=3)
    await world.drain()
    (entry,), after = await entries(world)
    assert entry == AuditEntry(
        id=event.id,
        at=datetime(2026, 6, 10, 9, 0, tzinfo=UTC),
        actor="alice",
        action="booking.create",
        subject="booking/7",
        address="10.1.2.3:5555",
        operation_id="operation-1234",
        details={"booking_id": 7, "start_time": "2026-06-10T10:00:00Z"},
    )
    assert after == ""
    assert rows(world)[0]["pk"] == "20260610|acme"


async def test_an_event_that_the_relay_brings_again_is_one_entry() -> None:
    world = World()
    event = await happen(world)
    for _ in range(2):
        await world.services.audit.on_event(event)
        world.clock.advance(minutes=1)
    await world.drain()
    assert len(rows(world)) == 1


async def test_who_receives_events_never_learns_the_address() -> None:
    world = World()
    event = await happen(world)
    assert "10.1.2.3" not in str(event.envelope())


async def test_what_the_platform_does_by_itself_was_its_timer() -> None:
    world = World()
    await happen(world, EventType.VM_STARTED, None, tenant=PLATFORM_TENANT, subject="vm/janus-0")
    await world.drain()
    (entry,), _ = await entries(world, OPERATOR, platform=True)
    assert (entry.actor, entry.action, entry.subject) == (
        "timer:fleet_tick", "vm.started", "vm/janus-0",
    )  # fmt: skip
    assert not (await entries(world))[0]


async def test_what_nobody_did_is_no_entry() -> None:
    world = World()
    await happen(world, EventType.CALL_STARTED, None)
    await world.drain()
    assert not rows(world)


async def test_machines_that_start_are_in_the_trail() -> None:
    world = World()
    await world.ready(await world.book())
    await world.drain()
    found, _ = await entries(world, OPERATOR, platform=True, action="vm.started")
    assert [entry.subject for entry in found] == ["vm/janus-0"]


async def test_no_secret_is_ever_kept() -> None:
    world = World()
    data = {
        "booking_id": 7,
        "key_id": "k-1",
        "password": "hunter2",
        "rooms": [{"room_pin": "hunter2", "room_id": 5}],
        "call": {"session_token": "hunter2", "janusSecret": "hunter2"},
    }
    await happen(world, data=data)
    await world.drain()
    (entry,), _ = await entries(world)
    assert "hunter2" not in str(rows(world))
    assert entry.details["key_id"] == "k-1"
    assert entry.details["rooms"] == [{"room_pin": logs.REDACTED, "room_id": 5}]


async def test_an_address_is_written_whatever_the_header_holds() -> None:
    world = World()
    event = await happen(world)
    audit = Audit("alice", "x", "\udcff\x00é" + "9" * 500)
    await world.services.audit.on_event(replace(event, audit=audit))
    (entry,), _ = await entries(world)
    assert entry.address == "???" + "9" * 61


# -- who may read ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "platform", "code"),
    [
        *((ALICE, False, "admin_only"), (OPERATOR, False, "admin_only")),
        *((ALICE, True, "operator_only"), (ADMIN, True, "operator_only")),
    ],
)
async def test_only_admins_read_and_operators_what_the_platform_did(
    who: Caller, platform: bool, code: str
) -> None:
    with pytest.raises(Problem) as problem:
        await entries(World(), who, platform=platform)
    assert (problem.value.status, problem.value.code) == (403, code)


async def test_another_tenants_trail_is_never_shown() -> None:
    world = World()
    await happen(world)
    await happen(world, tenant="evil")
    await happen(world, tenant="acme2")
    await world.drain()
    assert len(rows(world)) == 3
    assert len((await entries(world))[0]) == 1
    assert len((await entries(world, EVE))[0]) == 1
    assert not (await entries(world, OPERATOR, platform=True))[0]


# -- what is shown ---------------------------------------------------------------------------------


async def history(world: World, days: int, each: int) -> None:
    """`each` entries a day for some days, told by alice and bob in turn; ends now."""
    for n in range(days * each):
        await happen(
            world,
            audit=Audit("bob" if n % 2 else "alice", f"action.{n % 3}", ""),
            subject=f"booking/{n}",
        )
        world.clock.advance(days=1 / each)
    await world.drain()
    world.tables.requests.clear()


async def test_the_last_day_is_shown_by_default_the_newest_first() -> None:
    world = World()
    await history(world, days=3, each=4)
    found, _ = await entries(world)
    assert [entry.subject for entry in found] == [f"booking/{n}" for n in (11, 10, 9, 8)]


async def test_what_happens_now_is_shown() -> None:
    world = World()
    await happen(world)
    await world.drain()
    assert len((await entries(world))[0]) == 1


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 7, 200])
async def test_pages_show_each_entry_once_and_in_order(limit: int) -> None:
    world = World()
    await history(world, days=5, each=3)
    found = await everything(world, limit, since=world.now - timedelta(days=90))
    assert [entry.subject for entry in found] == [f"booking/{n}" for n in reversed(range(15))]


async def test_entries_of_one_moment_are_all_shown() -> None:
    world = World()
    for n in range(7):
        await happen(world, subject=f"booking/{n}")
    await world.drain()
    found = await everything(world, 2)
    assert {entry.subject for entry in found} == {f"booking/{n}" for n in range(7)}
    assert len(found) == 7


async def test_the_interval_is_half_open() -> None:
    world = World()
    start = world.now
    for n in range(4):
        await happen(world, subject=f"booking/{n}")
        world.clock.advance(hours=9)
    await world.drain()
    found, _ = await entries(
        world, since=start + timedelta(hours=9), until=start + timedelta(hours=27)
    )
    assert [entry.subject for entry in found] == ["booking/2", "booking/1"]


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        ({"actor": "bob"}, {1, 3, 5, 7, 9, 11}),
        ({"action": "action.0"}, {0, 3, 6, 9}),
        ({"subject": "booking/5"}, {5}),
        ({"actor": "bob", "action": "action.0"}, {3, 9}),
        ({"actor": "bo"}, set()),
    ],
)
@pytest.mark.parametrize("limit", [1, 3, 200])
async def test_filters(wanted: dict[str, str], numbers: set[int], limit: int) -> None:
    world = World()
    await history(world, days=3, each=4)
    found = await everything(world, limit, since=world.now - timedelta(days=9), **wanted)
    assert [entry.subject for entry in found] == [f"booking/{n}" for n in sorted(numbers)[::-1]]


@pytest.mark.parametrize(("since", "until"), [(0, 0), (0, 1), (91, 0), (91, None), (-1, None)])
async def test_an_interval_that_is_empty_or_too_long_is_refused(
    since: int, until: int | None
) -> None:
    world = World()
    first = world.now - timedelta(days=since)
    last = None if until is None else world.now - timedelta(days=until)
    with pytest.raises(Problem) as problem:
        await entries(world, since=first, until=last)
    assert [e.field for e in problem.value.errors] == ["since"]


@pytest.mark.parametrize("year", [2, 1969, 1970, 9998])
async def test_an_interval_of_any_time_is_answered(year: int) -> None:
    world = World()
    await happen(world)
    await world.drain()
    until = datetime(year, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert not (await entries(world, since=until - timedelta(days=1), until=until))[0]


async def test_an_active_tenants_page_is_one_request() -> None:
    world = World()
    await history(world, days=10, each=20)
    since = world.now - timedelta(days=90)
    _, after = await entries(world, since=since, limit=5)
    assert len(world.tables.requests) == 1
    world.tables.requests.clear()
    page, _ = await entries(world, since=since, limit=20, after=after)
    assert len(page) == 20
    assert len(world.tables.requests) == 3, "the rest of today, and the two days before at once"


async def test_the_days_before_the_cursor_are_not_read_again() -> None:
    world = World()
    await history(world, days=20, each=5)
    since = world.now - timedelta(days=90)
    _, after = await entries(world, since=since, limit=50)
    world.tables.requests.clear()
    page, _ = await entries(world, since=since, limit=5, after=after)
    assert world.tables.requests[0][2] == f"{page[0].at:%Y%m%d}|acme"


async def test_a_quiet_tenants_page_reads_each_day_once() -> None:
    world = World()
    await entries(world, since=world.now - timedelta(days=90), limit=10)
    assert len(world.tables.requests) == 91


async def test_a_search_among_very_many_gives_short_pages_and_still_finds_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shared.audit.service.MOST_READ", 10)
    monkeypatch.setattr("shared.audit.service.SEARCH_CHUNK", 4)
    world = World()
    await history(world, days=1, each=64)
    page, after = await entries(world, since=world.now - timedelta(days=2), subject="booking/0")
    assert not page
    assert after
    assert len(world.tables.requests) <= 5
    found = await everything(world, 5, since=world.now - timedelta(days=2), subject="booking/0")
    assert len(found) == 1


# -- how long it is kept ---------------------------------------------------------------------------


class Killed(BaseException):
    pass


def days(world: World) -> list[str]:
    return sorted({row["pk"][:8] for row in rows(world)})


async def test_whole_days_are_forgotten_once_they_are_old_enough() -> None:
    world = World(audit_days=2)
    await history(world, days=5, each=3)
    await happen(world, EventType.VM_STARTED, None, tenant=PLATFORM_TENANT)
    await world.drain()
    assert world.now.date() == date(2026, 6, 15)
    assert await world.services.audit.purge() == 8
    assert days(world) == ["20260613", "20260614", "20260615"]
    assert await world.services.audit.purge() == 0


@pytest.mark.parametrize("verb", ["commit", "commit!"])
@pytest.mark.parametrize("at", [1, 2])
async def test_a_purge_that_is_killed_is_finished_by_the_next_one(verb: str, at: int) -> None:
    world = World(audit_days=1)
    await history(world, days=1, each=250)
    world.clock.advance(days=2)
    assert len(rows(world)) == 250
    seen = 0

    def fail(what: str, table: str, pk: str) -> None:
        nonlocal seen
        seen += what == verb
        if seen == at:
            raise Killed

    world.tables.fail = fail
    with pytest.raises(Killed):
        await world.services.audit.purge()
    world.tables.fail = lambda *_: None
    left = len(rows(world))
    assert left
    assert await world.services.audit.purge() == left
    assert not rows(world)


async def test_a_purge_whose_answer_was_lost_goes_on() -> None:
    world = World(audit_days=1)
    await history(world, days=1, each=250)
    world.clock.advance(days=2)
    lost = iter([True])

    def fail(verb: str, table: str, pk: str) -> None:
        if verb == "commit!" and next(lost, False):
            raise Conflict("the SDK has sent it twice")

    world.tables.fail = fail
    await world.services.audit.purge()
    assert not rows(world)


async def test_two_purges_at_once_remove_everything() -> None:
    world = World(audit_days=1)
    await history(world, days=1, each=250)
    world.clock.advance(days=2)
    await asyncio.gather(world.services.audit.purge(), world.services.audit.purge())
    assert not rows(world)
