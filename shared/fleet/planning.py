"""The plan of days and weeks: gathers what was and what is booked, and asks the planner."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.bookings.claims import Claim
from shared.bookings.service import Bookings
from shared.fleet import demand
from shared.fleet.compute import Compute
from shared.fleet.ledger import Carriage, Stretch
from shared.fleet.models import EPOCH, Fleet, VmState, held_back
from shared.fleet.plan_view import Carried, MachineRow, Mark, On, PlanView, Stage
from shared.fleet.planner import plan
from shared.fleet.policy import Carrier, Plan, Span
from shared.fleet.roster import Known, Roster, roster
from shared.fleet.stays import left, linked, lost
from shared.fleet.store import FleetStore
from shared.fleet.warm import policy_of
from shared.platform.auth import Caller
from shared.platform.clock import Clock
from shared.platform.i18n import Message
from shared.platform.payload import in_range
from shared.platform.problems import FieldError, invalid

if TYPE_CHECKING:
    from shared.platform.settings import Settings

USUAL, LONGEST = timedelta(days=7), timedelta(days=31)

BEFORE = timedelta(hours=6)
"""What is shown of the past by default: the night's, and a running call from its start."""

INTERVAL = Message(
    f"deve ser depois de from, no máximo {LONGEST.days} dias",
    f"should be after from, at most {LONGEST.days} days",
)

NEAR = timedelta(days=31)
"""A view that begins within this is planned from now on, so that machines which run, and bookings
that have their machine, keep it. What comes later is planned by itself."""

LONGEST_STAY = timedelta(days=2)
"""What began this long before the view, a call or a stretch of on-time, is over when it begins."""

UP = frozenset({VmState.STARTING, VmState.READY, VmState.DRAINING})


@dataclass(frozen=True, slots=True)
class _Inputs:
    claims: Sequence[Claim]
    fleet: Fleet
    roster: Roster
    stretches: Sequence[Stretch]
    carriages: Sequence[Carriage]


@dataclass(frozen=True, slots=True)
class _Window:
    """What is shown, and when."""

    since: datetime
    until: datetime
    now: datetime

    def cut(self, start: datetime, end: datetime) -> Span | None:
        start, end = max(start, self.since), min(end, self.until)
        return Span(start, end) if start < end else None

    def shows(self, booking: Carried) -> bool:
        return booking.start < self.until and self.since < booking.end


class Planning:
    def __init__(
        self,
        bookings: Bookings,
        store: FleetStore,
        compute: Compute,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._bookings = bookings
        self._store = store
        self._compute = compute
        self._settings = settings
        self._clock = clock

    async def show(
        self, caller: Caller, since: datetime | None, until: datetime | None
    ) -> PlanView:
        """By default the last six hours and the next seven days; of one end alone, seven days from
        or to there. Problems: 403 for who is no operator, 400 for an interval that is empty or
        longer than 31 days."""
        caller.require_operator()
        now = self._clock.now()
        until = until or (since or now) + USUAL
        since = since or _since(until, now)
        if not (in_range(since) and in_range(until) and since < until <= since + LONGEST):
            raise invalid([FieldError("to", INTERVAL)])
        return await self.plan(since, until)

    async def plan(self, since: datetime, until: datetime) -> PlanView:
        """What was, is and will be during [since, until). No machine is asked for its power.

        Raises `StorageUnavailable`. Without an answer of the machines' host it is not `complete`.
        """
        window = _Window(since, until, self._clock.now())
        inputs = await self._gather(window)
        return await asyncio.to_thread(self._view, inputs, window)

    def _view(self, inputs: _Inputs, window: _Window) -> PlanView:
        """In a thread: with thousands of bookings it takes longer than others should wait."""
        plan = self._planned(inputs, window)
        ahead = [self._carried(c, inputs.fleet, plan, window.now) for c in inputs.claims]
        stays = linked([*map(_over, inputs.carriages), *_lingering(inputs, window), *ahead])
        seen = [b for b in stays if window.shows(b)]
        seen.sort(key=lambda b: (b.start, b.booking_id))
        return PlanView(
            window.since,
            window.until,
            window.now,
            machines=self._rows(inputs, plan, window, stays),
            bookings=[b for b in seen if b.vm],
            unplaced=[b for b in seen if not b.vm],
            complete=inputs.roster.complete,
        )

    # -- gathering ---------------------------------------------------------------------------------

    async def _gather(self, window: _Window) -> _Inputs:
        """The machines' host and the storage are asked at the same time, but for the inventory."""
        pool, store = self._settings.pool, self._store
        since, until = window.since - LONGEST_STAY, min(window.until, window.now)
        past = since < until
        fleet, claims, stretches, carriages = await asyncio.gather(
            store.load(pool),
            self._claims(window),
            store.stretches(pool, since, until) if past else _nothing(),
            store.carriages(pool, since, until) if past else _nothing(),
        )
        return _Inputs(claims, fleet, await roster(self._compute, fleet), stretches, carriages)

    async def _claims(self, window: _Window) -> list[Claim]:
        """The bookings that are not over and count for the plan, also beyond the view's end: the
        machine of one that begins a moment later is on before."""
        if window.until <= window.now:
            return []
        settings = self._settings
        begin = self._begin(window)
        end = window.until + settings.vm_lead + settings.vm_bridge
        found = await self._bookings.claims(settings.pool, begin - settings.max_booking, end)
        return [c for c in found if begin < c.end and c.start < min(c.end, end) and not c.ended]

    @staticmethod
    def _begin(window: _Window) -> datetime:
        """From when on is planned."""
        near = window.since <= window.now + NEAR
        return window.now if near else window.since - timedelta(days=1)

    # -- planning ----------------------------------------------------------------------------------

    def _planned(self, inputs: _Inputs, window: _Window) -> Plan:
        if window.until <= window.now:
            return Plan()
        begin, now = self._begin(window), window.now
        current = begin == now
        loads = demand.loads(inputs.claims, inputs.fleet, self._settings, now)
        carriers = [self._carrier(m, inputs.fleet, now, current) for m in inputs.roster.usable]
        return plan(loads, carriers, policy_of(self._settings, begin, window.until))

    def _carrier(self, machine: Known, fleet: Fleet, now: datetime, current: bool) -> Carrier:
        vm, override = fleet.vms.get(machine.name), fleet.override(machine.name)
        failed = vm.retry_at if vm and held_back(vm, now) else EPOCH
        lingers = any(p.end <= now for p in fleet.on(machine.name))
        needed = now if lingers else vm.needed_until if vm else EPOCH
        return Carrier(
            machine.name,
            machine.capacity or self._settings.vm_capacity,
            on=current and vm is not None and vm.state in UP,
            spot=machine.spot,
            pool=self._settings.pool,
            closed=max(override.closed(now, self._settings.vm_lead), failed),
            holds=[Span(override.hold_since, override.hold_until)] if override.held(now) else [],
            needed_until=needed,
        )

    # -- showing -----------------------------------------------------------------------------------

    @staticmethod
    def _carried(claim: Claim, fleet: Fleet, plan: Plan, now: datetime) -> Carried:
        """One that finds no better place stays where it was, as the reconciler leaves it."""
        placement = fleet.placements.get(claim.booking_id)
        vm = plan.placed.get(claim.booking_id) or (placement.vm if placement else "")
        start, stage = claim.start, Stage.PLANNED
        if start <= now and placement:
            start, stage = max(start, min(placement.since, now)), Stage.RUNNING
        return Carried(claim.booking_id, claim.tenant, vm, start, claim.end, stage)

    def _rows(
        self, inputs: _Inputs, plan: Plan, window: _Window, stays: Sequence[Carried]
    ) -> list[MachineRow]:
        actual = _actual(inputs, window, left(stays))
        carrying = {b.vm for b in stays if b.vm and window.shows(b)}
        names = sorted(inputs.roster.machines.keys() | actual.keys() | carrying)
        return [self._row(name, inputs, plan, window, actual.get(name, [])) for name in names]

    def _row(
        self, name: str, inputs: _Inputs, plan: Plan, window: _Window, was: Sequence[On]
    ) -> MachineRow:
        known = inputs.roster.machines.get(name)
        override, now = inputs.fleet.override(name), window.now
        ahead = [
            On(cut.start, cut.end, on.causes)
            for on in plan.on.get(name, ())
            if (cut := window.cut(max(on.start, now), on.end))
        ]
        hold = Mark(override.hold_since, override.hold_until, override.reason)
        exclusion = Mark(override.at, override.exclude_until, override.reason)
        return MachineRow(
            name,
            known.region if known else "",
            known.spot if known else False,
            (known.capacity if known else 0) or self._settings.vm_capacity,
            on=[*was, *ahead],
            holds=[hold] if override.held(now) else [],
            exclusions=[exclusion] if override.excluded(now) else [],
        )


async def _nothing() -> list[Any]:
    return []


def _over(carriage: Carriage) -> Carried:
    return Carried(
        carriage.booking_id,
        carriage.tenant,
        carriage.vm,
        carriage.start,
        carriage.end,
        Stage.OVER,
    )


def _lingering(inputs: _Inputs, window: _Window) -> list[Carried]:
    """Those whose time is over and that a machine carries still; of a view of the past also those
    that are running, whose claims nobody has read."""
    ahead, now = {c.booking_id for c in inputs.claims}, window.now
    past = window.until <= now
    return [
        Carried(
            p.booking_id,
            p.tenant,
            p.vm,
            max(p.start, min(p.since, now)),
            max(p.end, now),
            Stage.RUNNING,
        )
        for p in inputs.fleet.placements.values()
        if p.booking_id not in ahead and p.start < now and (past or p.end <= now)
    ]


def _since(until: datetime, now: datetime) -> datetime:
    """Where a view begins that is asked for by its end alone, or not at all."""
    if until <= now:
        return until - USUAL
    return min(now, max(now - BEFORE, until - LONGEST))


def _actual(
    inputs: _Inputs, window: _Window, calls_left: Mapping[str, Sequence[datetime]]
) -> dict[str, list[On]]:
    """When each machine was on until now: what the ledger has, and what goes on."""
    every = [(s.vm, s.start, s.end) for s in inputs.stretches]
    every += [(vm.name, vm.on_since, window.now) for vm in inputs.fleet.vms.values() if vm.on]
    found: dict[str, list[On]] = {}
    for name, start, end in sorted(every):
        if cut := window.cut(start, end):
            row = found.setdefault(name, [])
            ended = cut.end == end < window.now and lost(end, calls_left.get(name, ()))
            # A long stretch has several rows.
            if row and row[-1].end == cut.start and not row[-1].lost:
                cut = Span(row.pop().start, cut.end)
            row.append(On(cut.start, cut.end, actual=True, lost=ended))
    return found
