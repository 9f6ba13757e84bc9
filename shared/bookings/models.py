"""Payloads of rooms and bookings (webrtc-streaming.md 5.3 and 5.5) and what the domain holds."""

from __future__ import annotations

import json
from collections.abc import Container
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from shared.platform.payload import INVISIBLE, MAX_SAFE_INTEGER, Payload, Utc

DEFAULT_ROOM_SIZE = 2
MAX_ROOM_SIZE = 16
MAX_DEPTH = 20
MAX_METADATA = 16_384
"""Bytes: a table's property holds 32 K characters, also of what an idempotency key repeats."""

PLAIN = rf"^[^{INVISIBLE}]*$"
"""Text that people see as it is."""

RoomId = Annotated[int, Field(ge=1, le=MAX_SAFE_INTEGER, strict=True)]


def _small(value: dict[str, Any]) -> dict[str, Any]:
    if _deeper(value, MAX_DEPTH):
        raise ValueError(f"should be at most {MAX_DEPTH} levels deep")
    if len(json.dumps(value, ensure_ascii=False).encode()) > MAX_METADATA:
        raise ValueError(f"should have at most {MAX_METADATA} bytes as JSON")
    return value


def _deeper(value: Any, levels: int) -> bool:
    """Looks no deeper than it must: a body may have more levels than Python's stack."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels == 0 or any(_deeper(one, levels - 1) for one in inner)


class RoomCreate(Payload):
    """Body of `POST /rooms` (5.3.2)."""

    max_participants: Annotated[int, Field(ge=1, le=MAX_ROOM_SIZE, strict=True)] = DEFAULT_ROOM_SIZE
    optional_name: Annotated[str, Field(max_length=200, pattern=PLAIN)] | None = None
    metadata: Annotated[dict[str, Any], AfterValidator(_small)] | None = None


class RoomView(Payload):
    """A room in a list (5.3.1); never with its password."""

    room_id: int
    max_participants: int
    optional_name: str | None = None
    metadata: dict[str, Any] | None = None
    created_at: Utc
    updated_at: Utc


class RoomDetail(RoomView):
    """A room on its own (5.3.3)."""

    has_future_booking: bool


class RoomCreated(RoomView):
    """The answer to `POST /rooms` (5.3.2): the only one that shows a room's password."""

    password: str


Status = Literal["upcoming", "past", "cancelled"]
Phase = Literal["scheduled", "open", "running", "over", "ended", "cancelled"]
"""`open`: the door is open and the start is yet to come; `ended`: early, for all."""


class State(StrEnum):
    """`PENDING` until the series that it belongs to is decided: nobody ever sees such a one."""

    PENDING = "pending"
    ACTIVE = "active"
    CANCELLED = "cancelled"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Room:
    """`sealed_pin` is the room's password, encrypted: `Rooms.unseal` opens it. While it is being
    changed (`unsettled`) it is the new one, and a running Janus may still have the old one; while
    that may still turn round (`undecided`), nobody should be told either."""

    room_id: int
    tenant: str
    size: int
    sealed_pin: str = field(repr=False)
    created_at: datetime
    updated_at: datetime
    name: str | None = None
    metadata: dict[str, Any] | None = None
    unsettled: bool = False
    undecided: bool = False


@dataclass(frozen=True, slots=True)
class RoomFilter:
    """Which rooms a list shows (5.3.1); `free`: those that nobody has booked in the interval."""

    size: int | None = None
    created_before: datetime | None = None
    created_after: datetime | None = None
    free: tuple[datetime, datetime] | None = None

    def admits(self, room: Room, taken: Container[int]) -> bool:
        return (
            self.size in (None, room.size)
            and (self.created_before is None or room.created_at < self.created_before)
            and (self.created_after is None or room.created_at > self.created_after)
            and room.room_id not in taken
        )


@dataclass(frozen=True, slots=True)
class Guest:
    """Somebody invited by an own link, which can be revoked."""

    id: str
    name: str | None = None
    email: str | None = None


SHARED_LINK = "guest"
"""The invite that every booking has: whoever gets the link is a guest."""


@dataclass(frozen=True, slots=True)
class Booking:
    """`end` is the booked end, or the moment at which the host ended it for all.

    `attempt` names the claims that hold the interval; `sequence` grows with every change (RFC 5545,
    3.8.7.4); `asked` says that the booker chose the room.
    """

    booking_id: int
    tenant: str
    booker: str
    room_id: int
    start: datetime
    end: datetime
    created_at: datetime
    state: State = State.ACTIVE
    attempt: str = ""
    sequence: int = 0
    asked: bool = False
    series_id: int = 0
    guests: tuple[Guest, ...] = ()
    revoked: frozenset[str] = frozenset()
    etag: str = ""

    def status(self, now: datetime) -> Status:
        """A running booking is upcoming until it ends."""
        if self.state is State.CANCELLED:
            return "cancelled"
        return "upcoming" if now < self.end and self.state is State.ACTIVE else "past"

    def phase(self, now: datetime, early: timedelta) -> Phase:
        """What the status does not say; the door opens `early` before the start."""
        if self.state is State.CANCELLED:
            return "cancelled"
        if self.state is State.ENDED:
            return "ended"
        if now >= self.end:
            return "over"
        if now >= self.start:
            return "running"
        return "open" if now >= self.start - early else "scheduled"

    def guest(self, invite_id: str) -> Guest | None:
        """Whose invite this is; None when it was never issued or is revoked."""
        if invite_id in self.revoked:
            return None
        return next((guest for guest in self.invites if guest.id == invite_id), None)

    @property
    def invites(self) -> tuple[Guest, ...]:
        """The shared link and everybody's own, without those that are revoked."""
        every = (Guest(SHARED_LINK), *self.guests)
        return tuple(guest for guest in every if guest.id not in self.revoked)

    def cancelled(self) -> Booking:
        return replace(self, state=State.CANCELLED, sequence=self.sequence + 1)

    def ended(self, at: datetime) -> Booking:
        end = min(at, self.end)
        return replace(self, state=State.ENDED, end=end, sequence=self.sequence + 1)

    def moved(
        self, start: datetime, end: datetime, room_id: int, attempt: str, *, asked: bool
    ) -> Booking:
        return replace(
            self,
            start=start,
            end=end,
            room_id=room_id,
            attempt=attempt,
            asked=asked,
            sequence=self.sequence + 1,
        )
