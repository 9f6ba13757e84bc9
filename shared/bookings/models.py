"""Payloads of rooms and bookings (webrtc-streaming.md 5.3 and 5.5) and what the domain holds."""

from __future__ import annotations

import json
from collections.abc import Container
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from shared.platform.payload import MAX_SAFE_INTEGER, Payload, Utc

DEFAULT_ROOM_SIZE = 2
MAX_ROOM_SIZE = 16
MAX_DEPTH = 20
MAX_METADATA = 8192
"""Characters: a table's property holds 32 K."""

PLAIN = r"^[^\x00-\x1f\x7f]*$"
"""Text without control characters."""

RoomId = Annotated[int, Field(ge=1, le=MAX_SAFE_INTEGER, strict=True)]


def _small(value: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(value, ensure_ascii=False)) > MAX_METADATA:
        raise ValueError(f"should have at most {MAX_METADATA} characters as JSON")
    if _depth(value) > MAX_DEPTH:
        raise ValueError(f"should be at most {MAX_DEPTH} levels deep")
    return value


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, inner), default=0)


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


class BookingCreate(Payload):
    """Body of `POST /bookings` (5.5.2)."""

    start_time: Utc
    end_time: Utc
    room_id: RoomId | None = None


Status = Literal["upcoming", "past", "cancelled"]


class BookingView(Payload):
    """A booking in a list (5.5.1)."""

    booking_id: int
    room_id: int
    start_time: Utc
    end_time: Utc
    status: Status


class BookingDetail(BookingView):
    """A booking on its own (5.5.3); the password only near the session."""

    password: str | None = None
    invite_url: str | None = None


class BookingCreated(BookingView):
    """The answer to `POST /bookings` (5.5.2)."""

    password: str
    invite_url: str


class State(StrEnum):
    ACTIVE = "active"
    CANCELLED = "cancelled"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Room:
    """`sealed_pin` is the room's password, encrypted: `Rooms.unseal` opens it."""

    room_id: int
    tenant: str
    size: int
    sealed_pin: str = field(repr=False)
    created_at: datetime
    updated_at: datetime
    name: str | None = None
    metadata: dict[str, Any] | None = None


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
class Booking:
    """`end` is the booked end, or the moment at which the host ended it for all."""

    booking_id: int
    tenant: str
    booker: str
    room_id: int
    start: datetime
    end: datetime
    created_at: datetime
    state: State = State.ACTIVE
    etag: str = ""

    def status(self, now: datetime) -> Status:
        """A running booking is upcoming until it ends."""
        if self.state is State.CANCELLED:
            return "cancelled"
        return "upcoming" if now < self.end and self.state is State.ACTIVE else "past"

    def cancelled(self) -> Booking:
        return replace(self, state=State.CANCELLED)

    def ended(self, at: datetime) -> Booking:
        return replace(self, state=State.ENDED, end=min(at, self.end))
