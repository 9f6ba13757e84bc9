"""`/api/v1/rooms` (webrtc-streaming.md 5.3, 5.4, 5.6, 5.7)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Literal

import azure.functions as func
from pydantic import Field

from functions.door import Call, Reply, operation
from functions.paging import Paging, next_link
from shared.bookings.models import (
    MAX_ROOM_SIZE,
    Room,
    RoomCreate,
    RoomCreated,
    RoomDetail,
    RoomFilter,
    RoomView,
)
from shared.bookings.room_payloads import (
    Availability,
    AvailableRoom,
    NewPassword,
    ParticipantMetadata,
    ParticipantsView,
    ParticipantView,
    PasswordReset,
)
from shared.platform.i18n import Message
from shared.platform.payload import Utc
from shared.platform.problems import FieldError, invalid

if TYPE_CHECKING:
    from shared.janus.port import Participant

bp = func.Blueprint()

ONE = "api/v1/rooms/{room_id:long}"

MOST_DAYS = timedelta(days=31)
"""A day is a partition to read."""


class RoomQuery(Paging):
    """`available=true` goes with `start_time` and `end_time`: rooms that are free between them."""

    after: Annotated[str, Field(pattern=r"^\d{0,16}$")] = ""
    available: Literal["true", "false"] | None = None
    start_time: Utc | None = None
    end_time: Utc | None = None
    max_participants: Annotated[int, Field(ge=1, le=MAX_ROOM_SIZE)] | None = None
    created_before: Utc | None = None
    created_after: Utc | None = None

    def filter(self) -> RoomFilter:
        return RoomFilter(
            size=self.max_participants,
            created_before=self.created_before,
            created_after=self.created_after,
            free=self._interval() if self.available == "true" else None,
        )

    def _interval(self) -> tuple[datetime, datetime]:
        missing = [name for name in ("start_time", "end_time") if getattr(self, name) is None]
        if self.start_time is None or self.end_time is None:
            message = Message("acompanha available=true", "goes with available=true")
            raise invalid([FieldError(name, message) for name in missing])
        return _interval(self.start_time, self.end_time)


class AvailabilityQuery(Paging):
    """The interval, of at most 31 days."""

    limit: Annotated[int, Field(ge=1, le=200)] = 200
    after: Annotated[str, Field(pattern=r"^\d{0,16}$")] = ""
    start_time: Utc
    end_time: Utc

    def filter(self) -> RoomFilter:
        return RoomFilter(free=_interval(self.start_time, self.end_time))


def _interval(start: datetime, end: datetime) -> tuple[datetime, datetime]:
    if not start < end <= start + MOST_DAYS:
        message = Message(
            f"deve ser depois de start_time, no máximo {MOST_DAYS.days} dias",
            f"must be after start_time, at most {MOST_DAYS.days} days",
        )
        raise invalid([FieldError("end_time", message)])
    return start, end


@operation(
    bp,
    "POST",
    "api/v1/rooms",
    summary="Create a room",
    tag="rooms",
    status=201,
    answer=RoomCreated,
    body=RoomCreate,
    problems={503: ("room_create_failed",)},
    scope="rooms:write",
    keyed=True,
)
async def rooms_create(call: Call[RoomCreate]) -> Reply:
    def answer(room: Room) -> Reply:
        body = RoomCreated(**_fields(room), password=call.services.rooms.password(room))
        return Reply(201, body, {"Location": f"/api/v1/rooms/{room.room_id}"})

    once = call.once(answer)
    return answer(await call.services.rooms.create(call.caller, call.body, call.address, once))


@operation(
    bp,
    "GET",
    "api/v1/rooms",
    summary="List the rooms",
    tag="rooms",
    answer=list[RoomView],
    query=RoomQuery,
    scope="rooms:read",
)
async def rooms_list(call: Call[None]) -> Reply:
    query = call.query(RoomQuery)
    after = int(query.after or 0)
    page = await call.services.rooms.page(call.caller, query.filter(), after, query.limit)
    views = [RoomView(**_fields(room)) for room in page.items]
    return Reply(200, views, next_link(call.request.url, query, page.next))


@operation(
    bp,
    "GET",
    ONE,
    summary="Show a room",
    tag="rooms",
    answer=RoomDetail,
    problems={404: ("room_not_found",)},
    scope="rooms:read",
)
async def rooms_get(call: Call[None]) -> Reply:
    room, booked = await call.services.rooms.get(call.caller, call.id("room_id"))
    return Reply(200, RoomDetail(**_fields(room), has_future_booking=booked))


@operation(
    bp,
    "DELETE",
    ONE,
    summary="Delete a room that nobody has booked (admins)",
    tag="rooms",
    status=204,
    problems={
        403: ("admin_only",),
        404: ("room_not_found",),
        409: ("room_booked",),
        503: ("room_delete_failed",),
    },
    scope="rooms:write",
)
async def rooms_delete(call: Call[None]) -> Reply:
    await call.services.rooms.delete(call.caller, call.id("room_id"), call.address)
    return Reply(204)


@operation(
    bp,
    "GET",
    "api/v1/rooms/availability",
    summary="List the rooms that are free in an interval",
    tag="rooms",
    answer=Availability,
    query=AvailabilityQuery,
    scope="rooms:read",
)
async def rooms_availability(call: Call[None]) -> Reply:
    query = call.query(AvailabilityQuery)
    after = int(query.after or 0)
    page = await call.services.rooms.page(call.caller, query.filter(), after, query.limit)
    rooms = [AvailableRoom(room_id=r.room_id, max_participants=r.size) for r in page.items]
    body = Availability(available_rooms=rooms)
    return Reply(200, body, next_link(call.request.url, query, page.next))


@operation(
    bp,
    "POST",
    f"{ONE}/password/reset",
    summary="Give a room a new password (admins)",
    tag="rooms",
    answer=NewPassword,
    body=PasswordReset,
    problems={
        403: ("admin_only",),
        404: ("room_not_found",),
        409: ("room_booked",),
        503: ("password_reset_failed",),
    },
    scope="rooms:write",
)
async def rooms_reset(call: Call[PasswordReset]) -> Reply:
    rooms, number = call.services.rooms, call.id("room_id")
    password = await rooms.reset(call.caller, number, call.address, force=call.body.force)
    return Reply(200, NewPassword(room_id=number, new_password=password))


@operation(
    bp,
    "GET",
    f"{ONE}/participants",
    summary="List who is in a room (who has booked it for now, and admins)",
    tag="rooms",
    answer=ParticipantsView,
    problems={403: ("participants_forbidden",), 404: ("room_not_found",), 502: ("janus_failed",)},
    scope="rooms:read",
)
async def rooms_participants(call: Call[None]) -> Reply:
    number = call.id("room_id")
    people = await call.services.rooms.participants(call.caller, number)
    views = [_participant(person) for person in people]
    body = ParticipantsView(room_id=number, participant_count=len(views), participants=views)
    return Reply(200, body)


def _participant(person: Participant) -> ParticipantView:
    metadata = ParticipantMetadata(publisher=person.publisher)
    return ParticipantView(id=person.id, display=person.display, metadata=metadata)


def _fields(room: Room) -> dict[str, object]:
    return {
        "room_id": room.room_id,
        "max_participants": room.size,
        "optional_name": room.name,
        "metadata": room.metadata,
        "created_at": room.created_at,
        "updated_at": room.updated_at,
    }
