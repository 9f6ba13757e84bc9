"""Finding a room that is free: one wait for storage, however many days."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.bookings.attempts import Contended
from shared.bookings.calendar import Calendar
from shared.bookings.choice import Near, Wish, choose
from shared.bookings.claims import Day, partitions
from shared.bookings.models import Room
from shared.bookings.rooms import Rooms, room_not_found
from shared.platform.ids import Ids
from shared.platform.waiting import spread

if TYPE_CHECKING:
    from shared.platform.settings import Settings

MOST_ROOMS = 1000
"""Rooms of the tenant that are looked at together: one answer of the table."""

MOST_PAGES = 20
"""So many times. With more rooms, all of them taken, a new one is made."""


@dataclass(frozen=True, slots=True)
class Found:
    """`born`: the room is new and stored nowhere yet. `days` are as read, with what holds."""

    room: Room
    born: bool
    days: Mapping[str, Day]

    def of(self, pks: Sequence[str]) -> dict[str, Day]:
        return {pk: self.days[pk] for pk in pks}


class RoomFinder:
    def __init__(self, calendar: Calendar, rooms: Rooms, settings: Settings) -> None:
        self._calendar = calendar
        self._rooms = rooms
        self._settings = settings

    async def find(self, tenant: str, wishes: Sequence[Wish]) -> Found:
        """A room for all the wishes, which ask for the same one.

        Problems: 404 no such room, 409 taken or no capacity.
        """
        apart = timedelta(0) if wishes[0].asked else self._apart
        pool = self._settings.pool
        # When we choose the room, also the days of its neighbours in time.
        spans = [partitions(pool, wish.start - apart, wish.end + apart) for wish in wishes]
        pks = sorted({pk for span in spans for pk in span})
        days, rooms = await asyncio.gather(
            self._calendar.read(pks), self._candidates(tenant, wishes[0])
        )
        asking: dict[str, list[Wish]] = {}
        for wish, span in zip(wishes, spans, strict=True):
            for pk in span:
                asking.setdefault(pk, []).append(wish)
        settled = await spread(lambda day: self._settle(day, asking[day.pk], apart), days)
        known = {day.pk: day for day in settled}
        await self._look_again(tenant, wishes[0].asked, days)
        near = [
            (wish, [known[pk] for pk in span]) for wish, span in zip(wishes, spans, strict=True)
        ]
        room = await self._choose(tenant, near, rooms, apart)
        if room:
            await self._with_heads(known, wishes)
        return Found(room or self._rooms.draft(tenant, pool), room is None, known)

    async def _with_heads(self, known: Mapping[str, Day], wishes: Sequence[Wish]) -> None:
        """Deleting a room bumps the heads of the days that have one. So the first booking of a day
        makes its head before it reads the day, and the room, again."""
        pool = self._settings.pool
        own = {pk for wish in wishes for pk in partitions(pool, wish.start, wish.end)}
        bare = [known[pk] for pk in sorted(own) if not known[pk].head_etag]
        if bare:
            await self._calendar.begin_days(bare)
            raise Contended

    async def _settle(self, day: Day, wishes: Sequence[Wish], apart: timedelta) -> Day:
        for wish in wishes:
            day = await self._calendar.fences.settle(day, wish.start - apart, wish.end + apart)
        return day

    async def _choose(
        self, tenant: str, near: Near, rooms: Sequence[Room], apart: timedelta
    ) -> Room | None:
        """Of the next rooms, when none of these is free and there are more."""
        for _ in range(MOST_PAGES):
            room = choose(near, rooms, capacity=self._settings.pool_capacity, apart=apart)
            if room or len(rooms) < MOST_ROOMS:
                return room
            after = rooms[-1].room_id
            rooms = await self._rooms.page(tenant, self._settings.pool, after, MOST_ROOMS)
        return None

    async def _candidates(self, tenant: str, wish: Wish) -> Sequence[Room]:
        if wish.asked and Ids.room_pool(wish.asked) != self._settings.pool:
            raise room_not_found(wish.asked)  # its claims would stand where nobody looks
        if wish.asked:
            return [await self._rooms.get(tenant, wish.asked)]
        kept, rooms = await asyncio.gather(
            self._kept(tenant, wish.kept),
            self._rooms.page(tenant, self._settings.pool, limit=MOST_ROOMS),
        )
        return [*kept, *rooms]

    async def _kept(self, tenant: str, room_id: int) -> Sequence[Room]:
        room = await self._rooms.find(tenant, room_id) if room_id else None
        return [room] if room else []

    async def _look_again(self, tenant: str, asked: int, days: Sequence[Day]) -> None:
        """Somebody was about to delete the room when the day was read: did they? If they only begin
        after this, they bump the day after we read it, and our commit fails."""
        if any(asked in day.closed for day in days):
            await self._rooms.get(tenant, asked)

    @property
    def _apart(self) -> timedelta:
        return self._settings.join_early + self._settings.join_grace
