"""`/api/v1/rooms` (webrtc-streaming.md 5.3)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal

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
from shared.platform.payload import Utc
from shared.platform.problems import FieldError, invalid

bp = func.Blueprint()

MOST_DAYS = timedelta(days=31)
"""A day is a partition to read."""


class RoomQuery(Paging):
    """`available` goes with `start_time` and `end_time`: rooms that are free between them."""

    after: Annotated[str, Field(pattern=r"^\d{0,16}$")] = ""
    available: Literal["true"] | None = None
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
            free=self._interval() if self.available else None,
        )

    def _interval(self) -> tuple[datetime, datetime]:
        start, end = self.start_time, self.end_time
        if start is None or end is None or not start < end <= start + MOST_DAYS:
            message = f"needs start_time and a later end_time, at most {MOST_DAYS.days} days on"
            raise invalid([FieldError("available", message)])
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
    problems=(400, 503),
    scope="rooms:write",
)
async def rooms_create(call: Call[RoomCreate]) -> Reply:
    room = await call.services.rooms.create(call.caller, call.body)
    password = call.services.rooms.password(room)
    body = RoomCreated(**_fields(room), password=password)
    return Reply(201, body, {"Location": f"/api/v1/rooms/{room.room_id}"})


@operation(
    bp,
    "GET",
    "api/v1/rooms",
    summary="List the rooms",
    tag="rooms",
    answer=list[RoomView],
    query=RoomQuery,
    problems=(400,),
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
    "api/v1/rooms/{room_id:long}",
    summary="Show a room",
    tag="rooms",
    answer=RoomDetail,
    problems=(404,),
    scope="rooms:read",
)
async def rooms_get(call: Call[None]) -> Reply:
    room, booked = await call.services.rooms.get(call.caller, call.id("room_id"))
    return Reply(200, RoomDetail(**_fields(room), has_future_booking=booked))


def _fields(room: Room) -> dict[str, object]:
    return {
        "room_id": room.room_id,
        "max_participants": room.size,
        "optional_name": room.name,
        "metadata": room.metadata,
        "created_at": room.created_at,
        "updated_at": room.updated_at,
    }
