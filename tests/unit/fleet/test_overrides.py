"""What operators decide by hand: times, reasons, races, and what the trail keeps of it."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from shared.fleet.compute import ComputeError
from shared.fleet.models import EPOCH, Override
from shared.fleet.overrides import Overrides
from shared.fleet.payloads import (
    MachineExtend,
    MachineHold,
    MachineRelease,
    MachineStart,
    MachineView,
)
from shared.fleet.store import write
from shared.platform.auth import Caller
from shared.platform.clock import iso
from shared.platform.i18n import Message
from shared.platform.ids import PLATFORM_TENANT
from shared.platform.problems import Problem
from shared.platform.queues import FLEET_WAKE
from shared.platform.tables import Conflict
from tests.world import ADMIN, ALICE, EVE, World

OLGA = Caller("olga", "acme", frozenset({"operator"}))
OTTO = Caller("otto", "acme", frozenset({"operator"}))
ADDRESS = "10.0.0.9:1"
HOUR = timedelta(hours=1)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def overrides(world: World) -> Overrides:
    return world.services.overrides


async def ask(world: World, action: str, who: Caller = OLGA, **body: Any) -> MachineView:
    model: Any = {"start": MachineStart, "extend": MachineExtend, "release": MachineRelease}.get(
        action, MachineHold
    )
    name = body.pop("name", "janus-0")
    request = model(**{"reason": "because", **body})
    view: MachineView = await getattr(world.services.overrides, action)(who, name, request, ADDRESS)
    return view


async def refused(world: World, action: str, who: Caller = OLGA, **body: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        await ask(world, action, who, **body)
    assert world.rows("Fleet", "00", "r|") == []
    assert world.events("vm.overridden") == []
    return caught.value


def manual(view: MachineView) -> tuple[datetime | None, datetime | None]:
    assert view.manual
    return view.manual.hold_until, view.manual.exclude_until


def stored(world: World) -> dict[str, Any]:
    return world.row("Fleet", "00", "r|janus-0")


# -- what each of them does ------------------------------------------------------------------------


async def test_start_holds_for_two_hours_and_says_who_and_why(world: World) -> None:
    view = await ask(world, "start", reason="A demonstration — às nove")
    assert view.manual
    assert view.manual.model_dump(exclude_none=True) == {
        "hold_until": world.now + 2 * HOUR,
        "by": "olga",
        "reason": "A demonstration — às nove",
        "since": world.now,
    }
    assert (await world.services.fleet_now.show(OLGA)).machines[0] == view
    assert stored(world)["hold_since"] == iso(world.now)


@pytest.mark.parametrize("action", ["start", "hold"])
async def test_a_hold_has_an_end_by_time_or_by_minutes(world: World, action: str) -> None:
    assert manual(await ask(world, action, minutes=90)) == (world.now + 1.5 * HOUR, None)
    assert manual(await ask(world, action, until=world.now + HOUR)) == (world.now + HOUR, None)


@pytest.mark.parametrize("action", ["hold", "exclude", "stop"])
async def test_only_a_time_ends_it_earlier(world: World, action: str) -> None:
    def end(view: MachineView) -> datetime | None:
        return manual(view)[0 if action == "hold" else 1]

    late = world.now + 5 * HOUR
    await ask(world, action, until=late)
    world.clock.advance(minutes=10)
    assert end(await ask(world, action, OTTO, minutes=30)) == late, "not in passing"
    assert end(await ask(world, action, minutes=600)) == world.now + 10 * HOUR
    assert end(await ask(world, action, until=world.now + HOUR)) == world.now + HOUR


async def test_starting_what_is_held_for_longer_shortens_nothing(world: World) -> None:
    late = world.now + 5 * HOUR
    await ask(world, "hold", until=late)
    world.clock.advance(minutes=10)
    assert manual(await ask(world, "start", OTTO, reason="a demo")) == (late, None)
    world.clock.advance(hours=4)
    assert manual(await ask(world, "start")) == (world.now + 2 * HOUR, None)
    assert manual(await ask(world, "start", until=world.now + HOUR)) == (world.now + HOUR, None)


async def test_extending_adds_to_the_end_of_the_hold(world: World) -> None:
    first = world.now
    await ask(world, "hold", minutes=60)
    world.clock.advance(minutes=10)
    assert manual(await ask(world, "extend", minutes=30)) == (first + 1.5 * HOUR, None)
    assert stored(world)["hold_since"] == iso(first)
    world.clock.advance(hours=3)
    late = await ask(world, "extend", minutes=30)
    assert manual(late) == (world.now + HOUR / 2, None), "one that has ended begins anew"
    assert stored(world)["hold_since"] == iso(world.now)


async def test_an_exclusion_and_a_hold_stand_beside_each_other(world: World) -> None:
    await ask(world, "hold", minutes=60)
    both = await ask(world, "exclude", minutes=120)
    assert manual(both) == (world.now + HOUR, world.now + 2 * HOUR)
    world.clock.advance(minutes=61)
    view = (await world.services.fleet_now.show(OLGA)).machines[0]
    assert manual(view) == (None, world.now + timedelta(minutes=59)), "what is over is not shown"


async def test_stop_ends_the_hold_and_excludes(world: World) -> None:
    await ask(world, "hold", minutes=60)
    assert manual(await ask(world, "stop", minutes=60)) == (None, world.now + HOUR)
    assert stored(world)["hold_until"] == stored(world)["hold_since"] == iso(EPOCH)


async def test_release_ends_everything(world: World) -> None:
    await ask(world, "hold", minutes=60)
    await ask(world, "exclude", minutes=60)
    assert (await ask(world, "release")).manual is None
    assert world.rows("Fleet", "00", "r|") == []
    assert world.events("vm.overridden")[-1]["data"] == {
        "vm": "janus-0", "action": "release", "reason": "because",
    }  # fmt: skip


async def test_it_tells_what_the_machine_is_and_carries(world: World) -> None:
    booked = await world.book(start=5)
    await world.ready(booked)
    carrying = str(world.row("Fleet", "00", f"p|{booked.booking.booking_id}")["vm"])
    view = await ask(world, "hold", minutes=60, name=carrying)
    assert view.state == "ready"
    (carried,) = view.bookings
    assert (carried.booking_id, carried.tenant) == (booked.booking.booking_id, "acme")
    assert carried.room_made


async def test_the_reconciler_is_woken(world: World) -> None:
    world.clock.advance(seconds=5)
    await ask(world, "start")
    assert FLEET_WAKE in [queue for queue, _, _ in world.queues.messages]


# -- the trail -------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["start", "hold", "extend", "exclude", "stop", "release"])
async def test_each_is_told_and_audited_once(world: World, action: str) -> None:
    await ask(world, "hold", minutes=30, reason="before")
    world.clock.advance(minutes=1)
    await ask(world, action, **({} if action in ("start", "release") else {"minutes": 60}))
    await world.drain(rounds=1)
    told = [e for e in world.left if e.type == "vm.overridden" and e.data["action"] == action]
    told = [e for e in told if e.data["reason"] == "because"]
    assert [(e.tenant, e.subject) for e in told] == [("platform", "vm/janus-0")]
    ends = told[0].data.keys() - {"vm", "action", "reason"}
    assert ends == {
        "release": set(), "stop": {"exclude_until"}, "exclude": {"hold_until", "exclude_until"},
    }.get(action, {"hold_until"})  # fmt: skip
    wanted = world.services.audit.wanted(None, None, {"action": f"fleet.{action}"})
    entries, _ = await world.services.audit.page(OLGA, wanted, "", 50, platform=True)
    (entry,) = [e for e in entries if e.details["reason"] == "because"]
    assert (entry.actor, entry.subject) == ("olga", "vm/janus-0")
    assert entry.address == ADDRESS
    assert told[0].tenant == PLATFORM_TENANT


async def test_the_same_again_changes_nothing(world: World) -> None:
    until = world.now + HOUR
    await ask(world, "hold", until=until)
    await ask(world, "stop", until=until)
    before = stored(world)
    world.clock.advance(minutes=5)
    assert manual(await ask(world, "stop", until=until)) == (None, until)
    assert stored(world) == before
    assert len(world.events("vm.overridden")) == 2
    await ask(world, "stop", until=until, reason="another one")
    await ask(world, "stop", OTTO, until=until, reason="another one")
    assert len(world.events("vm.overridden")) == 4, "who says why is news"
    await ask(world, "release")
    await ask(world, "release", OTTO, reason="just to be sure")
    assert len(world.events("vm.overridden")) == 5, "nothing is in force any more"


# -- races -----------------------------------------------------------------------------------------


async def test_concurrent_ones_all_count(world: World) -> None:
    await ask(world, "hold", minutes=60)
    await asyncio.gather(*(ask(world, "extend", who, minutes=10) for who in (OLGA, OTTO)))
    assert stored(world)["hold_until"] == iso(world.now + HOUR + timedelta(minutes=20))
    assert len(world.events("vm.overridden")) == 3


async def test_a_lost_answer_adds_nothing_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK sends again what the storage has done, and meets the rows of the first try."""
    await ask(world, "hold", minutes=60)
    world.clock.advance(minutes=1)
    commit = world.tables.commit

    async def lost(*arguments: Any) -> None:
        monkeypatch.setattr(world.tables, "commit", commit)
        await commit(*arguments)
        raise Conflict

    monkeypatch.setattr(world.tables, "commit", lost)
    await ask(world, "extend", minutes=30)
    assert stored(world)["hold_until"] == iso(world.now + timedelta(minutes=89))


async def test_one_that_the_reconciler_cleans_meanwhile_is_made_anew(world: World) -> None:
    await ask(world, "hold", minutes=1)
    world.clock.advance(minutes=2)
    load = world.services.fleet_store.load

    async def cleaned(pool: int) -> Any:
        fleet = await load(pool)
        world.tables.rows[("Fleet", "00")].pop("r|janus-0", None)
        return fleet

    world.services.overrides._store.load = cleaned  # type: ignore[method-assign]
    assert manual(await ask(world, "hold", minutes=60)) == (world.now + HOUR, None)


# -- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", [ALICE, ADMIN, EVE], ids=lambda who: who.sub)
async def test_only_operators(world: World, who: Caller) -> None:
    for action in ("start", "hold", "extend", "exclude", "stop", "release"):
        body = {} if action == "release" else {"minutes": 60}
        problem = await refused(world, action, who, **body)
        assert (problem.status, problem.code) == (403, "operator_only")
    problem = await refused(world, "hold", who, until=world.now - HOUR)
    assert problem.code == "operator_only", "and they learn nothing else"
    problem = await refused(world, "hold", who, minutes=1, name="nobody's")
    assert problem.code == "operator_only"


NAMES = ["", "janus-9", "janus-0 ", "JANUS-0", "../janus-0", "a/b", "v|janus-0", "ça va", "\x00"]


@pytest.mark.parametrize("name", [*NAMES, "x" * 5000])
async def test_an_unknown_machine(world: World, name: str) -> None:
    problem = await refused(world, "start", name=name)
    assert (problem.status, problem.code) == (404, "vm_not_found")


async def test_a_machine_that_the_host_has_lost_is_known_by_its_row(world: World) -> None:
    booked = await world.book(start=5)
    await world.ready(booked)
    name = str(world.row("Fleet", "00", f"p|{booked.booking.booking_id}")["vm"])
    world.compute.unavailable = ComputeError("throttled", "slow down")
    assert (await ask(world, "stop", minutes=60, name=name)).manual
    with pytest.raises(Problem) as caught:
        await ask(world, "stop", minutes=60, name="janus-9")
    assert (caught.value.status, caught.value.code) == (503, "compute_unavailable")


@pytest.mark.parametrize(
    ("action", "field", "body"),
    [
        *(("hold", "until", {"until": -1}), ("exclude", "until", {"until": 0})),
        *(
            ("start", "until", {"until": 24 * 60 + 2}),
            ("hold", "minutes", {"minutes": 24 * 60 + 2}),
        ),
        *(("extend", "minutes", {"minutes": 24 * 60 + 2}), ("stop", "until", {"until": -60})),
        ("stop", "until", {"until": 30 * 24 * 60 + 2}),
        ("exclude", "until", {"until": 60 * 24 * 365 * 1000}),
    ],
)
async def test_ends_that_are_none(
    world: World, action: str, field: str, body: dict[str, int]
) -> None:
    """`until` in minutes from now."""
    sent: dict[str, Any] = dict(body)
    if "until" in sent:
        sent["until"] = world.now + timedelta(minutes=sent["until"])
    problem = await refused(world, action, **sent)
    assert (problem.status, problem.code) == (400, "invalid_request")
    assert [error.field for error in problem.errors] == [field]


async def test_extending_again_and_again_ends_at_the_longest(world: World) -> None:
    for _ in range(24):
        await ask(world, "extend", minutes=60)
    with pytest.raises(Problem):
        await ask(world, "extend", minutes=60)
    assert stored(world)["hold_until"] == iso(world.now + 24 * HOUR)


@pytest.mark.parametrize(("held", "most"), [(0, 24 * 60), (90, 24 * 60 - 90), (24 * 60, 0)])
async def test_too_many_minutes_are_told_how_many_there_may_be(
    world: World, held: int, most: int
) -> None:
    if held:
        await ask(world, "hold", minutes=held)
    with pytest.raises(Problem) as caught:
        await ask(world, "extend", minutes=3000)
    (error,) = caught.value.errors
    assert isinstance(error.message, Message)
    said = error.message.text("en", {})
    if not most:
        assert said == "cannot be more: it is as long as it may be already"
        return
    assert said == f"should be at most {most}"
    assert error.message.text("pt", {}) == f"deve ser no máximo {most}"
    assert (await ask(world, "extend", minutes=most)).manual, "and so many there may be"


async def test_too_many_minutes_of_a_hold_or_an_exclusion(world: World) -> None:
    for action, most in (("start", 24 * 60), ("hold", 24 * 60)):
        (error,) = (await refused(world, action, minutes=most + 1)).errors
        assert isinstance(error.message, Message)
        assert error.message.text("en", {}) == f"should be at most {most}"


@pytest.mark.parametrize("end", [{"until": 24 * 60}, {"minutes": 24 * 60}])
async def test_the_longest_hold_is_allowed_also_by_a_clock_that_is_ahead(
    world: World, end: dict[str, int]
) -> None:
    sent: dict[str, Any] = dict(end)
    if "until" in sent:
        sent["until"] = world.now + timedelta(minutes=sent["until"], seconds=50)
    assert (await ask(world, "hold", **sent)).manual
    assert (await ask(world, "exclude", minutes=30 * 24 * 60)).manual


async def test_a_short_maximum_shortens_the_usual_hold() -> None:
    world = World(hold_max=timedelta(minutes=30))
    assert manual(await ask(world, "start")) == (world.now + HOUR / 2, None)


NEW_YEAR = "2027-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("model", "body"),
    [
        *((MachineHold, {}), (MachineHold, {"until": NEW_YEAR, "minutes": 5})),
        *((MachineStart, {"until": NEW_YEAR, "minutes": 5}), (MachineExtend, {})),
        *((MachineExtend, {"until": NEW_YEAR}), (MachineRelease, {"minutes": 5})),
        *((MachineHold, {"until": "2027-01-01T00:00:00"}), (MachineHold, {"until": "tomorrow"})),
        *((MachineHold, {"until": 1e9}), (MachineHold, {"until": "Infinity"})),
        *((MachineHold, {"minutes": each}) for each in (0, -5, 1.5, "5", True, float("inf"), 1e99)),
        *((MachineHold, {"minutes": 5, "reason": each}) for each in ("", " ", "x" * 501, "a\nb")),
        *((MachineRelease, {"reason": each}) for each in (None, 5, "\u200b", "\u00a0", "\x1b[2J")),
        (MachineStart, {"vm": "janus-1"}),
    ],
)
def test_bodies_that_are_refused(model: Any, body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate({"reason": "because", **body})


# -- a fresh sign-in -------------------------------------------------------------------------------


async def test_by_hand_only_after_a_fresh_sign_in() -> None:
    world = World(operator_fresh=timedelta(minutes=15))
    old = Caller("olga", "acme", frozenset({"operator"}), signed_in=world.now - HOUR)
    for who in (old, OLGA):  # of OLGA's nobody knows when
        problem = await refused(world, "start", who)
        assert (problem.status, problem.code) == (401, "fresh_sign_in_required")
        assert 'max_age="900"' in problem.headers["WWW-Authenticate"]
    fresh = Caller("olga", "acme", frozenset({"operator"}), signed_in=world.now)
    assert (await ask(world, "start", fresh)).manual
    assert (await world.services.fleet_now.show(old)).machines, "looking is for every operator"


# -- what is in force ------------------------------------------------------------------------------


async def test_a_drills_decision_is_shown_and_can_be_ended(world: World) -> None:
    by_drill = Override(
        "janus-1",
        hold_since=world.now,
        hold_until=world.now + HOUR,
        exclude_until=world.now + HOUR,
        by="timer:fleet_drill",
        reason="drill",
        at=world.now,
    )
    await world.services.fleet_store.commit(0, [write(by_drill)])
    _, shown = (await world.services.fleet_now.show(OLGA)).machines
    assert shown.manual
    assert shown.manual.by == "timer:fleet_drill"
    assert (await ask(world, "release", name="janus-1")).manual is None


# -- what comes of it ------------------------------------------------------------------------------


async def test_a_machine_that_is_held_starts_stays_on_and_goes_off_after(world: World) -> None:
    await ask(world, "start", minutes=60)
    await world.tick()
    await world.tick()
    (machine, _) = (await world.services.fleet_now.show(OLGA)).machines
    assert machine.state == "ready"
    for _ in range(59):
        world.clock.advance(minutes=1)
        await world.tick()
    assert ("deallocate", "janus-0") not in world.compute.calls
    for _ in range(20):
        world.clock.advance(minutes=1)
        await world.tick()
    assert ("deallocate", "janus-0") in world.compute.calls
    assert world.rows("Fleet", "00", "r|") == [], "what is over is cleaned"


async def test_a_stopped_machine_carries_its_call_to_the_end_and_nothing_new(world: World) -> None:
    booked = await world.book(start=0, minutes=30)
    await world.ready(booked)
    name = str(world.row("Fleet", "00", f"p|{booked.booking.booking_id}")["vm"])
    await ask(world, "stop", name=name, minutes=600)
    later = await world.book(start=20, minutes=30)
    for _ in range(20):
        world.clock.advance(minutes=1)
        await world.tick()
    assert ("deallocate", name) not in world.compute.calls
    assert world.row("Fleet", "00", f"p|{later.booking.booking_id}")["vm"] != name
    for _ in range(60):
        world.clock.advance(minutes=1)
        await world.tick()
    assert ("deallocate", name) in world.compute.calls
