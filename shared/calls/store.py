"""Rows of calls: one partition a room, so that seats, visits, calls and events commit together."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.calls.models import TIMES, Call, Seat, Visit, visit_rk
from shared.events.catalogue import DomainEvent
from shared.events.outbox import Outbox
from shared.platform.clock import iso
from shared.platform.ids import Ids
from shared.platform.tables import Conflict, Delete, Insert, Op, Replace, Row, Tables, Upsert, Value

TABLE = "Calls"
HEAD = "a"
OPEN = "open"
"""The partition that lists the calls which may be going on."""


MOST_SHOWN = 40
"""Visits that a call's row names, the first and the last ones: a property holds 32 K characters,
and a browser may rejoin without end. Every visit keeps its own row."""


@dataclass(frozen=True, slots=True)
class Seats:
    """The seats of one booking and the newest visit of each, with the ETag that serialises the
    joins of the room."""

    head_etag: str
    taken: Sequence[Seat]
    visits: Mapping[int, Visit]


class CallStore:
    """Every method may raise `StorageUnavailable`; the writing ones `Conflict`."""

    def __init__(self, tables: Tables, outbox: Outbox) -> None:
        self._tables = tables
        self._outbox = outbox

    async def seats(self, room_id: int, booking_id: int) -> Seats:
        pk = str(room_id)
        head = await self._tables.get(TABLE, pk, HEAD)
        rows = await self._tables.query(TABLE, pk, f"s|{booking_id}|", f"s|{booking_id}}}")
        taken = [Seat.from_row(row) for row in rows]
        found = await asyncio.gather(*(self.visit(room_id, seat.participant_id) for seat in taken))
        visits = {visit.participant_id: visit for visit in found if visit}
        return Seats(head.etag if head else "", taken, visits)

    async def seat(self, room_id: int, seats: Seats, seat: Seat, visit: Visit) -> None:
        """Raises `Conflict` when somebody else took a seat in this room meanwhile."""
        head: Op = Replace(HEAD, {}, seats.head_etag) if seats.head_etag else Insert(HEAD, {})
        ops: list[Op] = [head, Upsert(seat.rk, seat.to_row()), Insert(visit.rk, visit.to_row())]
        await self._tables.commit(TABLE, str(room_id), ops)

    async def visit(self, room_id: int, participant_id: int) -> Visit | None:
        row = await self._tables.get(TABLE, str(room_id), visit_rk(participant_id))
        return Visit.from_row(row) if row else None

    async def visits(self, room_id: int, since: datetime) -> list[Visit]:
        """Of all bookings of the room, those whose ticket was issued after `since`."""
        first = Ids.first_participant_id(since)
        rows = await self._tables.query(TABLE, str(room_id), visit_rk(first), "q")
        return [Visit.from_row(row) for row in rows]

    async def save_visit(self, room_id: int, visit: Visit) -> None:
        await self._tables.commit(
            TABLE, str(room_id), [Replace(visit.rk, visit.to_row(), visit.etag)]
        )

    async def unseat(self, room_id: int, visit: Visit) -> None:
        """Frees the seat that this participant held, unless its person sits there anew."""
        pk = str(room_id)
        start, end = f"s|{visit.booking_id}|", f"s|{visit.booking_id}}}"
        for row in await self._tables.query(TABLE, pk, start, end):
            if row.data["participant_id"] == visit.participant_id:
                await self._tables.commit(TABLE, pk, [Delete(row.rk, row.etag)])

    async def dismiss(self, room_id: int, booking_id: int, person: str) -> None:
        """Frees every seat of this person."""
        seats = await self.seats(room_id, booking_id)
        for seat in seats.taken:
            visit = seats.visits.get(seat.participant_id)
            if visit and visit.person == person:
                await self._free(room_id, seat)

    async def _free(self, room_id: int, seat: Seat) -> None:
        try:
            await self._tables.commit(TABLE, str(room_id), [Delete(seat.rk)])
        except Conflict:
            return  # free already

    async def open_calls(self) -> list[tuple[int, int]]:
        """(room, booking) of the calls that may be going on."""
        rows = await self._tables.query(TABLE, OPEN)
        return [(int(row.data["room_id"]), int(row.data["booking_id"])) for row in rows]

    async def mark_open(self, room_id: int, booking_id: int) -> None:
        row = Upsert(f"{room_id}|{booking_id}", {"room_id": room_id, "booking_id": booking_id})
        await self._tables.commit(TABLE, OPEN, [row])

    async def mark_over(self, room_id: int, booking_id: int) -> None:
        try:
            await self._tables.commit(TABLE, OPEN, [Delete(f"{room_id}|{booking_id}")])
        except Conflict:
            return  # marked already

    async def calls(self, room_id: int, booking_id: int) -> list[Row]:
        start, end = f"c|{booking_id}|", f"c|{booking_id}}}"
        return await self._tables.query(TABLE, str(room_id), start, end)

    async def save_calls(
        self, room_id: int, ops: Sequence[Op], events: Sequence[DomainEvent]
    ) -> None:
        await self._outbox.commit(TABLE, str(room_id), ops, events)


def call_row(call: Call) -> dict[str, Value]:
    shown = [*call.visits]
    if len(shown) > MOST_SHOWN:
        shown = [*call.visits[: MOST_SHOWN // 2], *call.visits[-MOST_SHOWN // 2 :]]
    people = [
        {"person": visit.person, "display": visit.display}
        | {name: iso(at) for name in TIMES if (at := getattr(visit, name))}
        for visit in shown
    ]
    return {
        "booking_id": call.booking_id,
        "tenant": call.tenant,
        "started_at": iso(call.started_at),
        "ended_at": iso(call.ended_at) if call.ended_at else "",
        "visits": len(call.visits),
        "participants": json.dumps(people, ensure_ascii=False),
    }
