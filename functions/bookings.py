"""`/api/v1/bookings` (webrtc-streaming.md 5.5)."""

from __future__ import annotations

import datetime
from typing import Annotated, Any

import azure.functions as func
from pydantic import Field

from functions.door import Call, Reply, operation
from functions.paging import Paging, next_link
from shared.bookings.models import Booking, Status
from shared.bookings.payloads import (
    BookingCreate,
    BookingCreated,
    BookingDetail,
    BookingView,
)

bp = func.Blueprint()

ONE = "api/v1/bookings/{booking_id:long}"


class BookingQuery(Paging):
    """`date` is a day in UTC."""

    status: Status | None = None
    date: Annotated[datetime.date, Field(lt=datetime.date(9999, 1, 1))] | None = None


@operation(
    bp,
    "POST",
    "api/v1/bookings",
    summary="Book a room, or whichever is free",
    tag="bookings",
    status=201,
    answer=BookingCreated,
    body=BookingCreate,
    problems=(400, 404, 409, 503),
    scope="bookings:write",
)
async def bookings_create(call: Call[BookingCreate]) -> Reply:
    bookings = call.services.bookings
    booked = await bookings.create(call.caller, call.body, call.address)
    body = BookingCreated(
        **_fields(call, booked.booking),
        password=bookings.password(booked.room),
        invite_url=call.services.invite_url(booked.booking),
    )
    return Reply(201, body, {"Location": f"/api/v1/bookings/{booked.booking.booking_id}"})


@operation(
    bp,
    "GET",
    "api/v1/bookings",
    summary="List your bookings by their start",
    tag="bookings",
    answer=list[BookingView],
    query=BookingQuery,
    problems=(400,),
    scope="bookings:read",
)
async def bookings_list(call: Call[None]) -> Reply:
    query = call.query(BookingQuery)
    page = await call.services.bookings.own(
        call.caller, status=query.status, day=query.date, after=query.after, limit=query.limit
    )
    views = [BookingView(**_fields(call, booking)) for booking in page.items]
    return Reply(200, views, next_link(call.request.url, query, page.next))


@operation(
    bp,
    "GET",
    ONE,
    summary="Show a booking",
    tag="bookings",
    answer=BookingDetail,
    problems=(404,),
    scope="bookings:read",
)
async def bookings_get(call: Call[None]) -> Reply:
    bookings = call.services.bookings
    stored = await bookings.get(call.caller, call.id("booking_id"))
    booking, extra = stored.booking, {}
    if bookings.shows_password(booking):
        extra["password"] = bookings.password(await bookings.room_of(stored))
    if booking.status(bookings.now()) == "upcoming":
        extra["invite_url"] = call.services.invite_url(booking)
    return Reply(200, BookingDetail(**_fields(call, booking), **extra))


@operation(
    bp,
    "DELETE",
    ONE,
    summary="Cancel a booking before it starts",
    tag="bookings",
    status=204,
    problems=(400, 403, 404, 503),
    scope="bookings:write",
)
async def bookings_delete(call: Call[None]) -> Reply:
    await call.services.bookings.cancel(call.caller, call.id("booking_id"), call.address)
    return Reply(204)


@operation(
    bp,
    "POST",
    f"{ONE}/cancel",
    summary="Cancel a booking before it starts",
    tag="bookings",
    status=204,
    problems=(400, 403, 404, 503),
    scope="bookings:write",
)
async def bookings_cancel(call: Call[None]) -> Reply:
    await call.services.bookings.cancel(call.caller, call.id("booking_id"), call.address)
    return Reply(204)


@operation(
    bp,
    "POST",
    f"{ONE}/end",
    summary="End a running booking for everyone",
    tag="bookings",
    status=204,
    problems=(404, 409, 503),
    scope="bookings:write",
)
async def bookings_end(call: Call[None]) -> Reply:
    await call.services.bookings.end(call.caller, call.id("booking_id"), call.address)
    return Reply(204)


def _fields(call: Call[Any], booking: Booking) -> dict[str, object]:
    bookings = call.services.bookings
    until = bookings.free_until(call.caller, booking)
    return {
        "booking_id": booking.booking_id,
        "room_id": booking.room_id,
        "start_time": booking.start,
        "end_time": booking.end,
        "status": booking.status(bookings.now()),
        "phase": bookings.phase(booking),
        "opens_at": bookings.opens_at(booking),
        "cancel_until": until,
        "change_until": until,
        "series_id": booking.series_id or None,
    }
