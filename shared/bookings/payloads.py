"""Payloads of bookings (webrtc-streaming.md 5.5)."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from shared.bookings.models import Phase, RoomId, Status
from shared.platform.payload import INVISIBLE, Moment, Payload, Utc, Written

MOST_GUESTS = 20

EMAIL = rf"^[^\s@<>,;:{INVISIBLE}]+@[^\s@<>,;:{INVISIBLE}]+$"


NAME = rf"^[^{INVISIBLE}]*[^\s{INVISIBLE}][^{INVISIBLE}]*$"


def _short(email: str) -> str:
    if len(email.encode()) > 254:
        raise ValueError("should have at most 254 bytes")
    return email


Email = Annotated[
    str,
    Field(max_length=254),
    Written(EMAIL, "should be an address like ana@example.org"),
    AfterValidator(_short),
]


class GuestCreate(Payload):
    """Somebody to invite: by a name, an e-mail address, or both. We send no mail."""

    name: Annotated[str, Field(min_length=1, max_length=80, pattern=NAME)] | None = None
    email: Email | None = None

    @model_validator(mode="after")
    def _somebody(self) -> GuestCreate:
        if not self.name and not self.email:
            raise ValueError("name or email should be given")
        return self


Guests = Annotated[tuple[GuestCreate, ...], Field(max_length=MOST_GUESTS)]


class BookingCreate(Payload):
    """Body of `POST /bookings` (5.5.2)."""

    start_time: Utc
    end_time: Utc
    room_id: RoomId | None = None
    guests: Guests = ()


class BookingPatch(Payload):
    """Body of `PATCH /bookings/{id}`: what is left out stays. A new start alone moves the end too;
    without a room the booking keeps its own, or gets another when that one is taken."""

    start_time: Utc | None = None
    end_time: Utc | None = None
    room_id: RoomId | None = None


class BookingExtend(Payload):
    """Body of `POST /bookings/{id}/extend`: the new end."""

    end_time: Utc


class BookingView(Payload):
    """A booking in a list (5.5.1). `cancel_until` and `change_until` are there while the caller may
    still cancel or move it."""

    booking_id: int
    room_id: int
    start_time: Utc
    end_time: Utc
    status: Status
    phase: Phase
    opens_at: Utc
    cancel_until: Utc | None = None
    change_until: Utc | None = None
    series_id: int | None = None


class BookingDetail(BookingView):
    """A booking on its own (5.5.3); the password only near the session."""

    password: str | None = None
    invite_url: str | None = None


class BookingCreated(BookingView):
    """The answer to `POST /bookings` (5.5.2)."""

    password: str
    invite_url: str
    guests: tuple[InviteView, ...] = ()


class InviteCreate(GuestCreate):
    """Body of `POST /bookings/{id}/invites`."""


class InviteView(Payload):
    """An invite: `guest` is the shared link's id, the others are somebody's own."""

    invite_id: str
    name: str | None = None
    email: str | None = None
    invite_url: str


class SeriesCreate(Payload):
    """Body of `POST /series`: the first booking and how it repeats.

    `start_time` and `end_time` are wall-clock times of `time_zone` (an IANA name) when they have no
    offset, and moments when they have one. `rrule` is an RFC 5545 recurrence rule.
    """

    start_time: Moment
    end_time: Moment
    time_zone: Annotated[str, Field(min_length=1, max_length=64)]
    rrule: Annotated[str, Field(min_length=1, max_length=500)]
    room_id: RoomId | None = None
    guests: Guests = ()


class Occurrence(Payload):
    booking_id: int
    start_time: Utc
    end_time: Utc


class SeriesCreated(Payload):
    """The answer to `POST /series`."""

    series_id: int
    room_id: int
    password: str
    bookings: list[Occurrence]


class SeriesView(Payload):
    """A series: its bookings as they are now."""

    series_id: int
    rrule: str
    time_zone: str
    bookings: list[BookingView]


class Kept(Payload):
    """A booking that could not be cancelled, and the problem's code that says why."""

    booking_id: int
    code: str


class SeriesCancelled(Payload):
    cancelled: list[int]
    kept: list[Kept]
