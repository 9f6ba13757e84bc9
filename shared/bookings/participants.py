"""Who is in a room (webrtc-streaming.md 5.7): asked of Janus, remembered for a moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from shared.bookings.calendar import Calendar
from shared.bookings.claims import Claim
from shared.bookings.models import Room
from shared.bookings.rooms import Hosts, Rooms
from shared.janus.port import JanusError, Participant
from shared.platform import logs
from shared.platform.auth import Caller
from shared.platform.clock import Clock
from shared.platform.ids import Ids
from shared.platform.problems import Problem

if TYPE_CHECKING:
    from shared.platform.settings import Settings

MEMORY = timedelta(seconds=5)

MOST = 500
"""Rooms that are remembered, and askers."""


K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Asked(Generic[T]):
    at: datetime
    answer: asyncio.Task[T]

    @property
    def failed(self) -> bool:
        answer = self.answer
        return answer.done() and (answer.cancelled() or answer.exception() is not None)


class Memory(Generic[K, T]):
    """Answers of the last few seconds. Whoever asks meanwhile gets the same one; a failure is told
    to those who wait for it, and not remembered."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._asked: dict[K, Asked[T]] = {}

    async def of(self, key: K, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """One who gives up takes nothing from the others."""
        now = self._clock.now()
        asked = self._asked.get(key)
        if not asked or now - asked.at >= MEMORY or asked.failed:
            self._asked.pop(key, None)
            if len(self._asked) >= MOST:
                del self._asked[next(iter(self._asked))]  # the oldest
            asked = self._asked[key] = Asked(now, asyncio.create_task(ask()))
        return await asyncio.shield(asked.answer)


class Participants:
    def __init__(
        self, calendar: Calendar, rooms: Rooms, hosts: Hosts, settings: Settings, clock: Clock
    ) -> None:
        self._calendar = calendar
        self._rooms = rooms
        self._hosts = hosts
        self._settings = settings
        self._clock = clock
        self._people: Memory[int, Sequence[Participant]] = Memory(clock)
        self._bookers: Memory[tuple[str, str, int], bool] = Memory(clock)

    async def of(self, caller: Caller, room_id: int) -> Sequence[Participant]:
        """Problems: 404; 403 unless the caller is an admin, or has booked the room for now; 502
        when a running Janus fails. Who was let in, or not, is so for `MEMORY`."""
        room = await self._rooms.get(caller.tenant, room_id)
        if not (caller.is_admin or await self._may(caller, room)):
            raise Problem(403, "participants_forbidden")
        try:
            return await self._people.of(room_id, lambda: self._ask(room))
        except JanusError as error:
            logs.event("room.list_failed", room_id=room_id, reason=error.reason)
            raise Problem(502, "janus_failed") from error

    async def _may(self, caller: Caller, room: Room) -> bool:
        """Looking at two days of the pool is too much for every poll."""
        key = (caller.tenant, caller.sub, room.room_id)
        return await self._bookers.of(key, lambda: self._booked_by(caller, room))

    async def _booked_by(self, caller: Caller, room: Room) -> bool:
        """Whether the door of a booking of theirs is open."""
        now, settings = self._clock.now(), self._settings
        since = now - settings.max_booking - settings.join_grace
        pool = Ids.room_pool(room.room_id)
        for claim in await self._calendar.claims(pool, since, now + settings.join_early):
            if claim.room_id == room.room_id and self._open(claim, now):
                stored = await self._calendar.find(claim.booking_id)
                if stored and stored.booking.booker == caller.sub:
                    return True
        return False

    def _open(self, claim: Claim, now: datetime) -> bool:
        grace = timedelta(0) if claim.ended else self._settings.join_grace
        return claim.start - self._settings.join_early <= now < claim.end + grace

    async def _ask(self, room: Room) -> Sequence[Participant]:
        hosts = await self._hosts.running(Ids.room_pool(room.room_id), room.room_id)
        asked = (host.participants(room) for host in hosts)
        return [person for people in await asyncio.gather(*asked) for person in people]
