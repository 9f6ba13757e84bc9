"""What operators decide about a machine by hand (webrtc-streaming.md 1.2, fallback manual).

Nothing is switched here: a decision is a row, which the reconciler obeys and which ends by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared.events.catalogue import Audit, EventType
from shared.events.outbox import Outbox
from shared.fleet import drill_book
from shared.fleet.compute import Compute
from shared.fleet.models import EPOCH, Fleet, Override
from shared.fleet.now import machine_view
from shared.fleet.payloads import (
    Action,
    MachineExtend,
    MachineHold,
    MachineRelease,
    MachineStart,
    MachineView,
)
from shared.fleet.roster import Known, roster
from shared.fleet.service import FleetService
from shared.fleet.store import FleetStore, write
from shared.platform.auth import Caller
from shared.platform.clock import Clock, iso
from shared.platform.i18n import Message
from shared.platform.ids import PLATFORM_TENANT
from shared.platform.problems import FieldError, Problem, invalid
from shared.platform.retrying import again
from shared.platform.tables import Delete

if TYPE_CHECKING:
    from shared.platform.settings import Settings

USUAL_HOLD = timedelta(hours=2)
LONGEST_EXCLUSION = timedelta(days=30)

CLOCKS = timedelta(minutes=1)
"""What an end may be later than the longest: it was counted from the caller's clock."""

PAST = Message("deve ser no futuro", "should be in the future")

LONGEST_ALREADY = Message(
    "não pode ser mais: já é o mais longo possível",
    "cannot be more: it is as long as it may be already",
)

MINUTE = timedelta(minutes=1)

Change = Callable[[Override], Override]


class Overrides:
    """Every method is for operators, who may be asked for a fresh sign-in, and answers the machine
    as it is then. The same again changes nothing; but `extend` adds each time. Only an `until`
    brings an end forward: `minutes`, and no time at all, keep a later one.

    Problems: 400, 401 fresh_sign_in_required, 403 operator_only, 404 vm_not_found, 503.
    """

    def __init__(
        self,
        store: FleetStore,
        compute: Compute,
        service: FleetService,
        outbox: Outbox,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._store = store
        self._compute = compute
        self._service = service
        self._outbox = outbox
        self._settings = settings
        self._clock = clock

    async def start(
        self, caller: Caller, name: str, request: MachineStart, address: str
    ) -> MachineView:
        """It starts, and stays on until then."""
        return await self._decide(caller, name, "start", request, address, self._holding(request))

    async def hold(
        self, caller: Caller, name: str, request: MachineHold, address: str
    ) -> MachineView:
        """It stays on until then, and starts when it is off."""
        return await self._decide(caller, name, "hold", request, address, self._holding(request))

    async def extend(
        self, caller: Caller, name: str, request: MachineExtend, address: str
    ) -> MachineView:
        """Its hold ends so much later; without one it begins now."""

        def change(override: Override) -> Override:
            begin = max(override.hold_until, self._clock.now())
            longest = self._settings.hold_max - (begin - self._clock.now())
            return self._held(override, begin + self._length(request.minutes, longest))

        return await self._decide(caller, name, "extend", request, address, change)

    async def exclude(
        self, caller: Caller, name: str, request: MachineHold, address: str
    ) -> MachineView:
        """No booking is put on it until then, and those that may move leave it."""
        change = self._excluding(request)
        return await self._decide(caller, name, "exclude", request, address, change)

    async def stop(
        self, caller: Caller, name: str, request: MachineHold, address: str
    ) -> MachineView:
        """As `exclude`, and nothing holds it any more: it goes off after its last call."""
        exclude = self._excluding(request)
        return await self._decide(
            caller, name, "stop", request, address, lambda override: _freed(exclude(override))
        )

    async def release(
        self, caller: Caller, name: str, request: MachineRelease, address: str
    ) -> MachineView:
        """The planner decides alone again."""

        def change(override: Override) -> Override:
            return replace(_freed(override), exclude_until=EPOCH)

        return await self._decide(caller, name, "release", request, address, change)

    # -- times -------------------------------------------------------------------------------------

    def _holding(self, request: MachineStart) -> Change:
        longest = self._settings.hold_max
        return lambda override: self._held(
            override, self._until(request, override.hold_until, longest)
        )

    def _excluding(self, request: MachineStart) -> Change:
        return lambda override: replace(
            override,
            exclude_until=self._until(request, override.exclude_until, LONGEST_EXCLUSION),
        )

    def _until(self, request: MachineStart, current: datetime, longest: timedelta) -> datetime:
        """Who does not name the end does not mean to shorten what somebody else has decided."""
        now = self._clock.now()
        if request.until is None:
            usual = min(USUAL_HOLD, longest)
            length = self._length(request.minutes, longest) if request.minutes else usual
            return max(current, now + length)
        if request.until <= now:
            raise invalid([FieldError("until", PAST)])
        if request.until > now + longest + CLOCKS:
            raise invalid([FieldError("until", _too_late(now + longest))])
        return request.until

    @staticmethod
    def _length(minutes: int, longest: timedelta) -> timedelta:
        if minutes * MINUTE > longest:
            raise invalid([FieldError("minutes", _too_many(longest // MINUTE))])
        return minutes * MINUTE

    def _held(self, override: Override, until: datetime) -> Override:
        now = self._clock.now()
        since = override.hold_since if override.held(now) else now
        return replace(override, hold_since=since, hold_until=until)

    # -- deciding ----------------------------------------------------------------------------------

    async def _decide(
        self,
        caller: Caller,
        name: str,
        action: Action,
        request: MachineRelease,
        address: str,
        change: Change,
    ) -> MachineView:
        caller.require_operator()
        caller.require_fresh(self._settings.operator_fresh, self._clock.now())
        audit = Audit(caller.sub, f"fleet.{action}", address)
        now = self._clock.now()
        tried = False

        async def attempt() -> MachineView:
            nonlocal tried
            fleet, machine = await self._find(name)
            current = fleet.override(machine.name)
            # A conflict may mean that our own answer was lost: then it is done, and not to be added
            # to once more.
            done = tried and (current.by, current.at) == (caller.sub, now)
            tried = True
            decided = change(_decided(current, now))
            wanted = replace(decided, by=caller.sub, reason=request.reason, at=now)
            if not done and _differs(current, wanted, now):
                await self._commit(fleet, wanted, action, audit)
            else:
                wanted = current
            shown = replace(fleet, overrides={**fleet.overrides, machine.name: wanted})
            return machine_view(machine, shown, now)

        view = await again(attempt)
        await self._service.wake()
        return view

    async def _find(self, name: str) -> tuple[Fleet, Known]:
        fleet = await self._store.load(self._settings.pool)
        known = await roster(self._compute, fleet)
        machine = known.machines.get(name)
        if machine is None and not known.complete:
            raise Problem(503, "compute_unavailable", headers={"Retry-After": "5"})
        if machine is None:
            raise Problem(404, "vm_not_found")
        return fleet, machine

    async def _commit(self, fleet: Fleet, wanted: Override, action: Action, audit: Audit) -> None:
        now = self._clock.now()
        ends = {
            "hold_until": wanted.hold_until if wanted.held(now) else None,
            "exclude_until": wanted.exclude_until if wanted.excluded(now) else None,
        }
        data = {"vm": wanted.vm, "action": action, "reason": wanted.reason}
        data |= {name: iso(end) for name, end in ends.items() if end}
        event = self._outbox.event(
            EventType.VM_OVERRIDDEN, PLATFORM_TENANT, f"vm/{wanted.vm}", data, audit=audit
        )
        gone = not any(ends.values())
        op = Delete(wanted.rk, wanted.etag) if gone and wanted.etag else write(wanted)
        await self._store.commit(fleet.pool, [op], [event])


def _decided(override: Override, now: datetime) -> Override:
    """What people have decided: whoever decides takes the machine from the drill, with all that it
    asked for."""
    if override.by == drill_book.BY:
        return Override(override.vm, etag=override.etag)
    return _in_force(override, now)


def _in_force(override: Override, now: datetime) -> Override:
    """What has ended by itself counts for nothing."""
    kept = override if override.held(now) else _freed(override)
    return kept if kept.excluded(now) else replace(kept, exclude_until=EPOCH)


def _freed(override: Override) -> Override:
    return replace(override, hold_since=EPOCH, hold_until=EPOCH)


def _differs(current: Override, wanted: Override, now: datetime) -> bool:
    """Nothing in force that nothing shall be in force after is the same, whoever says it."""
    before, after = _in_force(current, now), _in_force(wanted, now)
    ends = (before.hold_until, before.exclude_until)
    if ends != (after.hold_until, after.exclude_until):
        return True
    said = (before.by, before.reason) != (after.by, after.reason)
    return said and any(end > now for end in ends)


def _too_late(latest: datetime) -> Message:
    at = f"{latest:%Y-%m-%dT%H:%MZ}"
    return Message(f"deve ser {at} ou antes", f"should be {at} or before")


def _too_many(most: int) -> Message:
    if most < 1:
        return LONGEST_ALREADY
    return Message(f"deve ser no máximo {most}", f"should be at most {most}")
