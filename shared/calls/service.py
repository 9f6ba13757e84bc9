"""Keeps the record of calls from Janus' events, and from looking, because events get lost."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.audit.service import AuditTrail
from shared.calls.models import Call, Visit
from shared.calls.presence import INVITED, news
from shared.calls.records import CHANGES, calls, joined, left, recognise
from shared.calls.store import CallStore, call_row
from shared.events.catalogue import DomainEvent, EventType
from shared.events.outbox import Outbox
from shared.fleet.reconciler import Report
from shared.fleet.rooms import Occupied, RoomSecrets
from shared.fleet.service import FleetService
from shared.janus.port import JanusError
from shared.platform import logs
from shared.platform.clock import Clock, iso, parse
from shared.platform.ids import Ids
from shared.platform.queues import JANUS_EVENTS, Queues
from shared.platform.tables import Conflict, Delete, Insert, Op, Replace, Row
from shared.platform.turns import Turns

if TYPE_CHECKING:
    from shared.platform.settings import Settings

SETTLING = timedelta(seconds=5)
"""A participant that joined this shortly before we looked may be missing in what we saw."""

TRIES = 6


class Calls:
    def __init__(
        self,
        store: CallStore,
        trail: AuditTrail,
        fleet: FleetService,
        secrets: RoomSecrets,
        outbox: Outbox,
        queues: Queues,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._store = store
        self._trail = trail
        self._fleet = fleet
        self._secrets = secrets
        self._outbox = outbox
        self._queues = queues
        self._settings = settings
        self._clock = clock
        self._turns = Turns()

    # -- events --------------------------------------------------------------------------------

    async def accept(self, batches: Sequence[Sequence[Mapping[str, Any]]]) -> None:
        """Enqueues redacted events: Janus never asks twice, so nothing else may fail here."""
        for batch in batches:
            await self._queues.put(JANUS_EVENTS, {"events": list(batch)})

    async def handle(self, message: Mapping[str, Any]) -> None:
        """A message of the queue: events, or the request to look at a booking again."""
        touched = set()
        for event in message.get("events", ()):
            booking_id = await self._apply(event)
            if booking_id:
                touched.add((int(event["room"]), booking_id))
        if "check" in message:
            touched.add((int(message["check"]["room"]), int(message["check"]["booking"])))
        for room_id, booking_id in touched:
            await self._record(room_id, booking_id)

    async def _apply(self, event: Mapping[str, Any]) -> int:
        """Returns the booking whose record may change; 0 for none."""
        change = CHANGES[event["type"]]
        room_id, participant_id = int(event["room"]), int(event["participant"])
        if Ids.is_drill_room(room_id):
            return 0  # the visitor is ours
        at = self._plausible(participant_id, parse(event["at"]))
        for _ in range(TRIES):
            visit = await self._store.visit(room_id, participant_id)
            if visit is None:
                await self._stranger(room_id, event)
                return 0
            after = change(visit, at)
            if after == visit:
                return visit.booking_id
            try:
                await self._keep(room_id, visit, after)
                if after.left_at:
                    await self._store.unseat(room_id, after)
                else:
                    await self._check_seat(room_id, after)
                return visit.booking_id
            except Conflict:
                continue
        raise Conflict(f"visit {participant_id} keeps changing")

    def _plausible(self, participant_id: int, at: datetime) -> datetime:
        """Not before the ticket was issued, nor in the future: a machine's clock may be wrong."""
        return min(max(at, Ids.issued_at(participant_id)), self._clock.now())

    async def _check_seat(self, room_id: int, visit: Visit) -> None:
        """Whoever came with an old ticket holds no seat: the next pass throws them out."""
        seats = await self._store.seats(room_id, visit.booking_id)
        if visit.participant_id not in {seat.participant_id for seat in seats.taken}:
            logs.event("call.unseated", room_id=room_id, participant_id=visit.participant_id)
            await self._fleet.wake()

    async def _stranger(self, room_id: int, event: Mapping[str, Any]) -> None:
        """Somebody made up a participant id: the next pass of the reconciler throws them out."""
        if event["type"] == "joined":
            logs.event("call.stranger", room_id=room_id)
            await self._fleet.wake()

    async def on_event(self, event: DomainEvent) -> None:
        """Subscriber: whose invite is revoked loses the seat, and the next pass throws them out."""
        if event.type is EventType.INVITE_REVOKED:
            room_id, booking_id = int(event.data["room_id"]), int(event.data["booking_id"])
            person = INVITED + str(event.data["invite_id"])
            await self._store.dismiss(room_id, booking_id, person)
            await self._fleet.wake()

    # -- looking -------------------------------------------------------------------------------

    async def reconcile(self, report: Report) -> None:
        """Corrects the records by who is in the rooms; throws out whoever holds no seat."""
        by_room: dict[tuple[str, int], list[Occupied]] = {}
        for occupied in report.occupied.values():
            placement = occupied.placement
            by_room.setdefault((placement.vm, placement.room_id), []).append(occupied)
        for sharing in by_room.values():
            await self._isolated(sharing[0].placement.room_id, self._look(sharing))
        for room_id, booking_id in await self._store.open_calls():
            if booking_id not in report.occupied:
                gone = report.placed is not None and booking_id not in report.placed
                await self._isolated(room_id, self._unseen(room_id, booking_id, gone=gone))

    async def _isolated(self, room_id: int, work: Awaitable[None]) -> None:
        """One room's failure never keeps the others from their records."""
        try:
            await work
        except Exception as error:
            logs.exception("call.look_failed", error, room_id=room_id)

    async def _unseen(self, room_id: int, booking_id: int, *, gone: bool) -> None:
        """A call that nobody could look at; over when its booking has no machine any more."""
        if gone:
            await self._correct(room_id, booking_id, frozenset(), self._clock.now())
        await self._record(room_id, booking_id)

    async def _look(self, sharing: Sequence[Occupied]) -> None:
        """One room, and every booking that it serves at the moment."""
        room_id = sharing[0].placement.room_id
        seated = set()
        for occupied in sharing:
            booking_id = occupied.placement.booking_id
            seats = await self._store.seats(room_id, booking_id)
            seated |= {seat.participant_id for seat in seats.taken}
            inside = frozenset(p.id for p in occupied.participants)
            await self._correct(room_id, booking_id, inside, occupied.at)
            await self._record(room_id, booking_id)
        await self._throw_out(sharing[0], seated)

    async def _correct(
        self, room_id: int, booking_id: int, inside: frozenset[int], at: datetime
    ) -> None:
        for visit in await self._visits(room_id, booking_id):
            after = visit
            if visit.participant_id in inside and not visit.joined_at:
                after = joined(visit, at)
            if _vanished(visit, inside, at):
                after = left(visit, at)
            if after != visit:
                await self._keep_seen(room_id, visit, after)

    async def _keep_seen(self, room_id: int, before: Visit, after: Visit) -> None:
        try:
            await self._keep(room_id, before, after)
        except Conflict:
            return  # an event was faster, and knows better

    async def _keep(self, room_id: int, before: Visit, after: Visit) -> None:
        """Tells the audit trail first: whoever tries again after a crash tells it again."""
        for entry in news(room_id, before, after):
            issued = Ids.issued_at(after.participant_id)
            await self._trail.record(after.tenant, entry, issued)
        if after.joined_at and after.left_at:
            after = replace(after, address="")  # all is told: only the trail keeps it, for a time
        await self._store.save_visit(room_id, after)

    async def _throw_out(self, occupied: Occupied, seated: set[int]) -> None:
        room_id = occupied.placement.room_id
        for person in occupied.participants:
            if person.id in seated:
                continue
            logs.event("call.thrown_out", room_id=room_id, participant_id=person.id)
            try:
                await occupied.janus.kick(room_id, self._secrets.secret(room_id), person.id)
            except JanusError as error:
                logs.event("call.kick_failed", room_id=room_id, reason=error.reason)

    # -- records -------------------------------------------------------------------------------

    async def _visits(self, room_id: int, booking_id: int) -> list[Visit]:
        since = self._clock.now() - 2 * self._settings.max_booking
        found = await self._store.visits(room_id, since)
        return [visit for visit in found if visit.booking_id == booking_id]

    async def _record(self, room_id: int, booking_id: int) -> None:
        """Writes the booking's calls as its visits tell them, and the events of what is new."""
        async with self._turns.of(str(room_id)):
            for _ in range(TRIES):
                try:
                    return await self._persist(room_id, booking_id)
                except Conflict:
                    continue
        raise Conflict(f"the calls of {booking_id} keep changing")

    async def _persist(self, room_id: int, booking_id: int) -> None:
        visits = await self._visits(room_id, booking_id)
        found = calls(visits, self._clock.now(), self._settings.call_gap)
        if not found:
            return
        if found[-1].ended_at is None:
            await self._store.mark_open(room_id, booking_id)
        stored = {row.rk: row for row in await self._store.calls(room_id, booking_id)}
        found = recognise(found, [int(rk.rsplit("|", 1)[1]) for rk in stored])
        ops, events = self._changes(room_id, found, stored)
        if ops:
            await self._store.save_calls(room_id, ops, events)
        await self._after(room_id, found[-1])

    async def _after(self, room_id: int, last: Call) -> None:
        if last.ended_at:
            await self._store.mark_over(room_id, last.booking_id)
        elif not any(visit.present for visit in last.visits):
            delay = self._settings.call_gap.total_seconds() + 0.5
            check = {"check": {"room": room_id, "booking": last.booking_id}}
            await self._queues.put(JANUS_EVENTS, check, delay=delay)

    def _changes(
        self, room_id: int, found: Sequence[Call], stored: Mapping[str, Row]
    ) -> tuple[list[Op], list[DomainEvent]]:
        ops: list[Op] = [
            Delete(rk, row.etag)  # two stretches turned out to be one
            for rk, row in stored.items()
            if rk not in {call.rk for call in found}
        ]
        events: list[DomainEvent] = []
        for call in found:
            before, row = stored.get(call.rk), call_row(call)
            if before is None:
                ops.append(Insert(call.rk, row))
                events.append(self._event(EventType.CALL_STARTED, room_id, call))
            elif before.data != row:
                ops.append(Replace(call.rk, row, before.etag))
            if call.ended_at and not (before and before.data["ended_at"]):
                events.append(self._event(EventType.CALL_ENDED, room_id, call))
        return ops, events

    def _event(self, kind: EventType, room_id: int, call: Call) -> DomainEvent:
        data = {
            "booking_id": call.booking_id,
            "room_id": room_id,
            "call": call.key,
            "started_at": iso(call.started_at),
            "participants": len({visit.person for visit in call.visits}),
        }
        if kind is EventType.CALL_ENDED and call.ended_at:
            data["ended_at"] = iso(call.ended_at)
            data["seconds"] = round((call.ended_at - call.started_at).total_seconds())
        return self._outbox.event(kind, call.tenant, f"booking/{call.booking_id}", data)


def _vanished(visit: Visit, inside: Iterable[int], at: datetime) -> bool:
    settled = visit.joined_at is not None and visit.joined_at < at - SETTLING
    return settled and visit.left_at is None and visit.participant_id not in set(inside)
