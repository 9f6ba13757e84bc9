"""What is wrong with the fleet and has to be told to people: found by each pass, told once.

An incident is a row from when it begins until it is over, and commits together with the event that
tells of it: however often, late or side by side reconcilers look, operators hear of it twice, when
it began and when it was over.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any

from shared.bookings.claims import Claim
from shared.events.catalogue import Audit, DomainEvent, EventType
from shared.events.outbox import Outbox
from shared.fleet.incident_kinds import KINDS, Kind, incident
from shared.fleet.machine_incidents import not_answering, not_started, not_stopped
from shared.fleet.models import Fleet, Incident, Override, Placement, Vm
from shared.fleet.store import FleetStore, write
from shared.platform import logs
from shared.platform.clock import Clock, iso
from shared.platform.ids import PLATFORM_TENANT
from shared.platform.tables import Conflict, Delete, Op

if TYPE_CHECKING:
    from shared.platform.settings import Settings

READY_BY = timedelta(minutes=10)
"""How long before a booking its machine should be ready."""

BOOT = timedelta(minutes=10)
"""What a machine may take for a booking that was made late."""

AT_ONCE = 50
"""Incidents in one transaction, which takes 100 rows: each is a row and its event's."""


FOUND = frozenset(
    {"not_ready", "start_failed", "not_answering", "stop_failed", "overrun", "manual_hold"}
)
"""The kinds that `detect` looks for."""


@dataclass(frozen=True, slots=True)
class Situation:
    """The fleet as a pass left it. `due`: the bookings whose machine should be on, or starting,
    now. `overrunning`: those that are over while somebody is still inside."""

    now: datetime
    fleet: Fleet
    due: Mapping[int, Claim]
    overrunning: Mapping[int, Placement]


def detect(situation: Situation, settings: Settings) -> list[Incident]:
    """All that is wrong now, of the kinds `FOUND`."""
    return list(
        chain(
            _not_ready(situation, settings.vm_lead),
            not_started(situation.fleet, situation.now),
            not_answering(situation.fleet),
            not_stopped(situation.fleet, situation.now),
            _overrun(situation, settings.overrun_limit),
            _held_long(situation, settings.hold_long),
        )
    )


def _not_ready(situation: Situation, lead: timedelta) -> Iterator[Incident]:
    fleet, now = situation.fleet, situation.now
    for number, claim in situation.due.items():
        placement = fleet.placements.get(number)
        vm = fleet.vms.get(placement.vm) if placement else None
        reason = _obstacle(placement, vm)
        if not reason or now >= claim.end:
            continue
        limit = max(claim.start - READY_BY, max(claim.start - lead, claim.claimed_at) + BOOT)
        # One that is known goes on: a booking that is extended has been claimed anew.
        if now < limit and f"not_ready|{number}" not in fleet.incidents:
            continue
        yield incident(
            "not_ready",
            str(number),
            max(limit, vm.since) if vm and not vm.serving else limit,
            reason,
            "Look at the machine and at its log; start another one, or tell the customer.",
            vm=placement.vm if placement else "",
            booking_id=number,
            start_time=claim.start,
            end_time=claim.end,
        )


def _obstacle(placement: Placement | None, vm: Vm | None) -> str:
    """Why nobody can join; empty when everybody can."""
    if placement is None:
        return "no machine has a place for it"
    if vm is None:
        return f"nothing is known of {placement.vm}"
    if not vm.serving:
        return f"{vm.name} is {vm.state.value}" + (f": {vm.reason}" if vm.reason else "")
    return "" if placement.made else f"its room is not on {vm.name} yet"


def _overrun(situation: Situation, limit: timedelta) -> Iterator[Incident]:
    for number, placement in situation.overrunning.items():
        if situation.now - placement.end <= limit:
            continue
        yield incident(
            "overrun",
            str(number),
            placement.end,
            "people are still in the call",
            "Nobody is cut off and the machine stays on; stop the machine by hand if that has to "
            "end.",
            vm=placement.vm,
            booking_id=number,
            start_time=placement.start,
            end_time=placement.end,
        )


def _held_long(situation: Situation, limit: timedelta) -> Iterator[Incident]:
    for override in situation.fleet.overrides.values():
        if not _held_by_a_person(override, situation.now):
            continue
        if situation.now - override.hold_since <= limit:
            continue
        yield incident(
            "manual_hold",
            override.vm,
            override.hold_since,
            override.reason or "no reason was given",
            "Stop it if nobody needs it any more; else it stays on until the hold ends.",
            vm=override.vm,
            by=override.by,
            until=override.hold_until,
        )


def _held_by_a_person(override: Override, now: datetime) -> bool:
    return override.held(now) and not override.by.startswith("timer:")


@dataclass(frozen=True, slots=True)
class _Change:
    """A row that comes or goes, and the event that tells of it."""

    op: Op
    event: DomainEvent


class Incidents:
    """Tells operators what is new and what is over."""

    def __init__(self, store: FleetStore, outbox: Outbox, clock: Clock) -> None:
        self._store = store
        self._outbox = outbox
        self._clock = clock

    async def update(self, fleet: Fleet, found: Sequence[Incident], kinds: Collection[str]) -> None:
        """Compares what was found of these kinds with what `fleet` had when it was read.

        May raise `StorageUnavailable`; the next pass goes on from what is stored.
        """
        now_wrong = {one.key: one for one in found if one.kind in kinds}
        known = {key: one for key, one in fleet.incidents.items() if one.kind in kinds}
        changes = [
            *(self._begun(one) for key, one in now_wrong.items() if key not in known),
            *(self._over(one) for key, one in known.items() if key not in now_wrong),
        ]
        for first in range(0, len(changes), AT_ONCE):
            await self._commit(fleet.pool, changes[first : first + AT_ONCE])

    async def _commit(self, pool: int, changes: Sequence[_Change]) -> None:
        try:
            await self._store.commit(pool, [c.op for c in changes], [c.event for c in changes])
        except Conflict:
            # Somebody else was faster with one of them, which keeps nobody from the others.
            for change in changes:
                await self._alone(pool, change)

    async def _alone(self, pool: int, change: _Change) -> None:
        try:
            await self._store.commit(pool, [change.op], [change.event])
        except Conflict:
            logs.event("incident.told_already", incident=change.op.rk)

    def _begun(self, one: Incident) -> _Change:
        kind = KINDS[one.kind]
        return _Change(write(one), self._event(kind, kind.event, one, one.data, kind.severity))

    def _over(self, one: Incident) -> _Change:
        data = {
            "kind": one.kind,
            "subject": one.data["subject"],
            "opened_at": iso(one.since),
            "seconds": round((self._clock.now() - one.since).total_seconds()),
        }
        event = self._event(KINDS[one.kind], EventType.FLEET_RECOVERED, one, data, "info")
        return _Change(Delete(one.rk, one.etag), event)

    def _event(
        self, kind: Kind, event: EventType, one: Incident, data: Mapping[str, Any], severity: str
    ) -> DomainEvent:
        return self._outbox.event(
            event,
            PLATFORM_TENANT,
            str(one.data["subject"]),
            data,
            severity=severity,
            audit=Audit(kind.by, event.value),
        )
