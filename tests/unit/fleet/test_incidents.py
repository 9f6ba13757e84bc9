"""What is wrong with the fleet: found, told once, and told again when it is over."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.bookings.claims import Claim
from shared.events.outbox import Outbox
from shared.fleet.incident_kinds import KINDS, incident
from shared.fleet.incidents import FOUND, Incidents, Situation, detect
from shared.fleet.models import EPOCH, Fleet, Incident, Override, Placement, Vm, VmState
from shared.fleet.store import TABLE, FleetStore
from shared.platform.clock import iso
from shared.platform.ids import Ids
from shared.platform.tables import StorageUnavailable
from tests.fakes.clock import ManualClock
from tests.fakes.faults import Faults
from tests.fakes.queues import FakeQueues
from tests.fakes.tables import FakeTables
from tests.world import World, make_settings

NOW = datetime(2026, 6, 10, 9, 0, tzinfo=UTC)
SETTINGS = make_settings()
BOOKING = 2026061000123456


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def at(count: float) -> datetime:
    """Minutes from now."""
    return NOW + minutes(count)


def claim(start: float, end: float, claimed: float = -600) -> Claim:
    return Claim(
        BOOKING, 7, "acme", at(start), at(end), "00|20260610", "a", at(claimed), "00|20260610"
    )


def placement(start: float, end: float, *, made: bool = True) -> Placement:
    return Placement(BOOKING, "vm-0", 7, "acme", at(start), at(end), at(start), made)


def vm(state: VmState, since: float = 0, **fields: Any) -> Vm:
    return Vm("vm-0", state, at(since), **fields)


def found(
    *,
    due: Claim | None = None,
    placed: Placement | None = None,
    machine: Vm | None = None,
    override: Override | None = None,
    known: Incident | None = None,
    overrunning: Placement | None = None,
) -> list[Incident]:
    fleet = Fleet(
        0,
        vms={"vm-0": machine} if machine else {},
        placements={BOOKING: placed} if placed else {},
        overrides={"vm-0": override} if override else {},
        incidents={known.key: known} if known else {},
    )
    over = {BOOKING: overrunning} if overrunning else {}
    return detect(Situation(NOW, fleet, {BOOKING: due} if due else {}, over), SETTINGS)


READY = vm(VmState.READY, -30)
STARTING = vm(VmState.STARTING, -9, reason="booting")


@pytest.mark.parametrize(
    ("due", "placed", "machine", "reason"),
    [
        # All is well.
        (claim(5, 65), placement(5, 65), READY, None),
        (claim(5, 65), placement(5, 65), vm(VmState.DRAINING), None),
        # It is not, and there is still time.
        (claim(11, 60), placement(11, 60), STARTING, None),
        (claim(11, 60), None, None, None),
        # Ten minutes before the start there is none left.
        (claim(10, 60), placement(10, 60), STARTING, "vm-0 is starting: booting"),
        (claim(10, 60), placement(10, 60, made=False), READY, "its room is not on vm-0 yet"),
        (claim(10, 60), placement(10, 60), None, "nothing is known of vm-0"),
        (claim(10, 60), None, READY, "no machine has a place for it"),
        (claim(-30, 1), placement(-30, 1), vm(VmState.FAILED), "vm-0 is failed"),
        # It is over.
        (claim(-60, 0), placement(-60, 0), vm(VmState.FAILED), None),
        # Made late, so that its machine could not be ready ten minutes before.
        (claim(0, 60, claimed=-9.9), None, None, None),
        (claim(0, 60, claimed=-10), None, None, "no machine has a place for it"),
        (claim(5, 60, claimed=-5), None, None, None),
    ],
)
def test_a_booking_is_not_ready(
    due: Claim, placed: Placement | None, machine: Vm | None, reason: str | None
) -> None:
    wrong = found(due=due, placed=placed, machine=machine)
    assert [one.data["reason"] for one in wrong if one.kind == "not_ready"] == (
        [reason] if reason else []
    )


def test_a_lead_of_minutes_leaves_time_to_boot() -> None:
    short = make_settings(vm_lead=minutes(12))
    late, soon = [
        detect(Situation(NOW, Fleet(0), {BOOKING: claim(n, 60)}, {}), short) for n in (3, 1.9)
    ]
    assert (len(late), len(soon)) == (0, 1)


def test_a_booking_that_is_extended_meanwhile_is_the_same_incident() -> None:
    known = found(due=claim(5, 60))[0]
    extended = claim(5, 90, claimed=-1)
    assert [one.key for one in found(due=extended, known=known)] == [known.key]
    assert not found(due=extended)


def test_what_an_operator_is_told_of_a_booking() -> None:
    (one,) = found(due=claim(5, 65), placed=placement(5, 65), machine=STARTING)
    assert one.key == f"not_ready|{BOOKING}"
    assert one.since == at(-5), "ten minutes before the start"
    assert one.data == {
        "kind": "not_ready",
        "subject": f"booking/{BOOKING}",
        "reason": "vm-0 is starting: booting",
        "since": "2026-06-10T08:55:00Z",
        "next_step": one.data["next_step"],
        "vm": "vm-0",
        "booking_id": BOOKING,
        "start_time": "2026-06-10T09:05:00Z",
        "end_time": "2026-06-10T10:05:00Z",
    }
    broken = placement(-60, 60)
    (later,) = found(due=claim(-60, 60), placed=broken, machine=vm(VmState.STARTING, -2))
    assert later.since == at(-2), "until then it was ready"


@pytest.mark.parametrize(
    ("machine", "kinds"),
    [
        (vm(VmState.FAILED, failures=1), {"start_failed"}),
        (vm(VmState.FAILED, failures=1, unready=True), {"not_answering"}),
        (vm(VmState.STARTING, unready=True), set()),
        (vm(VmState.STARTING, failures=3), set()),
        (vm(VmState.READY, failures=1), set()),
        (vm(VmState.DEALLOCATED, failures=1), set()),
        (vm(VmState.STARTING), set()),
        (vm(VmState.READY, stop_failed=True), {"stop_failed"}),
        (vm(VmState.DEALLOCATING, -10), set()),
        (vm(VmState.DEALLOCATING, -10.1), {"stop_failed"}),
        (vm(VmState.STARTING, -60), set()),
    ],
)
def test_a_machine_does_not_start_or_stop(machine: Vm, kinds: set[str]) -> None:
    wrong = found(machine=machine)
    assert {one.kind for one in wrong} == kinds
    assert all(one.key == f"{one.kind}|vm-0" for one in wrong)
    assert all(one.data["subject"] == "vm/vm-0" and one.data["reason"] for one in wrong)


@pytest.mark.parametrize(
    ("machine", "goes_on"),
    [
        (vm(VmState.STARTING, failures=1), True),
        (vm(VmState.FAILED, failures=2), True),
        # Its bookings try another one, and come back.
        (vm(VmState.DEALLOCATED, -30, failures=2), True),
        (vm(VmState.DEALLOCATED, -30.1, failures=2), False),
        (vm(VmState.READY, failures=0), False),
        (vm(VmState.DRAINING, failures=0), False),
    ],
)
def test_a_machine_that_did_not_start_is_one_incident_whatever_is_tried(
    machine: Vm, goes_on: bool
) -> None:
    (known,) = found(machine=vm(VmState.FAILED, failures=1))
    assert [one.key for one in found(machine=machine, known=known)] == [known.key] * goes_on


SILENT = vm(VmState.FAILED, -2, failures=1, unready=True, on_since=at(-60), retry_at=at(0.2))


def test_what_an_operator_is_told_of_a_machine_that_fell_silent() -> None:
    (one,) = found(machine=SILENT)
    assert one.key == "not_answering|vm-0"
    assert one.data == {
        "kind": "not_answering",
        "subject": "vm/vm-0",
        "reason": "its Janus does not answer",
        "since": "2026-06-10T08:58:00Z",
        "next_step": one.data["next_step"],
        "vm": "vm-0",
        "retry_at": "2026-06-10T09:00:12Z",
    }


ON = at(-60)


@pytest.mark.parametrize(
    ("machine", "goes_on"),
    [
        (SILENT, True),
        (vm(VmState.STARTING, failures=1, on_since=ON), True),
        (vm(VmState.FAILED, failures=2, on_since=ON), True),
        (vm(VmState.DEALLOCATING, failures=2, on_since=ON), True),
        (vm(VmState.READY, on_since=ON), False),
        (vm(VmState.DRAINING, on_since=ON), False),
        (vm(VmState.DEALLOCATED, failures=1), False),
    ],
)
def test_a_machine_that_fell_silent_is_one_incident_until_it_serves_or_is_off(
    machine: Vm, goes_on: bool
) -> None:
    (known,) = found(machine=SILENT)
    assert [one.key for one in found(machine=machine, known=known)] == [known.key] * goes_on


def test_a_machine_that_served_and_is_off_and_does_not_come_back_did_not_start() -> None:
    (known,) = found(machine=SILENT)
    refused = vm(VmState.FAILED, failures=2)
    assert [one.key for one in found(machine=refused, known=known)] == ["start_failed|vm-0"]


@pytest.mark.parametrize(("end", "told"), [(-15, False), (-15.1, True)])
def test_people_stay_on(end: float, told: bool) -> None:
    wrong = found(overrunning=placement(-90, end))
    assert [one.key for one in wrong] == ([f"overrun|{BOOKING}"] if told else [])


@pytest.mark.parametrize(
    ("since", "until", "by", "told"),
    [
        *((-240, 60, "olga", False), (-241, 60, "olga", True), (-241, 0, "olga", False)),
        (-241, 60, "timer:fleet_drill", False),
    ],
)
def test_a_machine_is_held_for_long(since: float, until: float, by: str, told: bool) -> None:
    hold = Override("vm-0", at(since), at(until), EPOCH, by, "a demo", at(since))
    wrong = found(override=hold)
    assert [one.key for one in wrong] == (["manual_hold|vm-0"] if told else [])
    assert all(one.data["by"] == "olga" and one.data["reason"] == "a demo" for one in wrong)


def test_every_kind_that_is_looked_for_can_be_told() -> None:
    assert KINDS.keys() > FOUND


# -- telling -----------------------------------------------------------------------------------


class Told:
    """Reconcilers that share tables, with what they told."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.tables, self.queues, self.clock = FakeTables(), FakeQueues(), ManualClock()
        tables, queues = self.faults.over(self.tables), self.faults.over(self.queues)
        outbox = Outbox(tables, queues, self.clock, Ids(self.clock, random.Random(1)))
        self.store = FleetStore(tables, outbox)
        self.incidents = Incidents(self.store, outbox, self.clock)

    async def tick(self, *wrong: Incident) -> None:
        await self.incidents.update(await self.store.load(0), wrong, FOUND)

    def events(self) -> Counter[str]:
        return Counter(f"{e['type']} {e['subject']}" for e in World.events(self))  # type: ignore[arg-type]

    def rows(self) -> list[str]:
        return [rk for rk in self.tables.rows.get((TABLE, "00"), {}) if rk.startswith("s|")]


def wrong(name: str = "vm-0", kind: str = "start_failed") -> Incident:
    return incident(kind, name, at(0), "no quota", "Free some.", vm=name)


ONE_OF_EACH = {"vm.start_failed vm/vm-0": 1, "fleet.recovered vm/vm-0": 1}


async def test_one_alert_and_one_recovery_however_often_it_is_seen() -> None:
    told = Told()
    for _ in range(5):
        await told.tick(wrong())
        told.clock.advance(minutes=1)
    assert told.events() == {"vm.start_failed vm/vm-0": 1}
    for _ in range(3):
        await told.tick()
    assert told.events() == ONE_OF_EACH
    assert not told.rows()
    over = World.events(told, "fleet.recovered")[0]  # type: ignore[arg-type]
    assert over["data"] == {
        "kind": "start_failed",
        "subject": "vm/vm-0",
        "opened_at": iso(at(0)),
        "seconds": 300,
    }
    assert (over["severity"], over["tenant"]) == ("info", "platform")
    await told.tick(wrong())
    assert told.events()["vm.start_failed vm/vm-0"] == 2, "it is another one"


async def test_reconcilers_side_by_side_tell_it_once() -> None:
    told = Told()
    for kinds in ([wrong()], []):
        fleets = [await told.store.load(0) for _ in range(3)]
        await asyncio.gather(*(told.incidents.update(f, kinds, FOUND) for f in fleets))
    assert told.events() == ONE_OF_EACH


async def test_what_somebody_else_has_told_keeps_nobody_from_telling_the_rest() -> None:
    told = Told()
    before = await told.store.load(0)
    await told.tick(wrong("vm-1"))
    await told.incidents.update(before, [wrong(f"vm-{n}") for n in range(3)], FOUND)
    assert told.events() == {f"vm.start_failed vm/vm-{n}": 1 for n in range(3)}
    now_known = await told.store.load(0)
    await told.tick(wrong("vm-1"), wrong("vm-2"))
    await told.incidents.update(now_known, [], FOUND)
    assert {f"fleet.recovered vm/vm-{n}": 1 for n in range(3)}.items() <= told.events().items()
    assert not told.rows()


async def test_many_at_once() -> None:
    told = Told()
    many = [wrong(f"vm-{n}", kind) for n in range(70) for kind in ("start_failed", "stop_failed")]
    await told.tick(*many)
    assert len(told.rows()) == sum(told.events().values()) == 140
    commits = [verb for verb, *_ in told.tables.requests if verb == "commit"]
    assert len(commits) == 3
    await told.tick()
    assert sum(told.events().values()) == 280
    assert not told.rows()


async def test_other_kinds_are_left_alone() -> None:
    told = Told()
    short = wrong("0", "capacity_short")
    await told.tick(short)
    assert not told.rows()
    await told.incidents.update(await told.store.load(0), [short], {"capacity_short"})
    await told.tick()
    assert told.events() == {"fleet.capacity_warning pool/0": 1}
    assert told.rows() == ["s|capacity_short|0"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("nth", range(1, 8))
async def test_whoever_dies_at_any_moment_leaves_one_of_each(nth: int, when: Any) -> None:
    told = Told()
    for now_wrong in ([wrong()], []):
        told.faults.kill(nth, when)
        await told.faults.until_death(told.tick(*now_wrong))
        for _ in range(2):
            await told.tick(*now_wrong)
    assert told.events() == ONE_OF_EACH


@pytest.mark.parametrize("resent", [True, False])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("nth", range(1, 5))
async def test_an_answer_that_is_lost_leaves_one_of_each(nth: int, when: Any, resent: bool) -> None:
    told = Told()
    for now_wrong in ([wrong()], []):
        told.faults.lose(nth, when, resent=resent)
        with suppress(StorageUnavailable):
            await told.tick(*now_wrong)
        told.faults.set(lambda call, at: None)
        for _ in range(2):
            await told.tick(*now_wrong)
    assert told.events() == ONE_OF_EACH


def test_each_kind_tells_operators_and_no_customer() -> None:
    assert {kind.severity for kind in KINDS.values()} == {"error", "warning"}
    events = {name: kind.event for name, kind in KINDS.items() if name != "capacity_full"}
    assert len({*events.values()}) == len(events)
