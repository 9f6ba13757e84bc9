"""`/api/v1/bookings` (webrtc-streaming.md 5.5)."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Annotated

import azure.functions as func
from pydantic import Field

from functions.door import Call, Reply, operation
from functions.paging import Paging, next_link
from functions.views import booking_detail, booking_fields, invite_view
from shared.bookings.models import Status
from shared.bookings.payloads import (
    BookingCreate,
    BookingCreated,
    BookingDetail,
    BookingExtend,
    BookingPatch,
    BookingView,
)
from shared.platform.payload import Day

if TYPE_CHECKING:
    from shared.bookings.making import Booked

bp = func.Blueprint()

ONE = "api/v1/bookings/{booking_id:long}"


class BookingQuery(Paging):
    """`date` is a day in UTC."""

    status: Status | None = None
    date: Annotated[Day, Field(lt=datetime.date(9999, 1, 1))] | None = None


@operation(
    bp,
    "POST",
    "api/v1/bookings",
    summary="Book a room, or whichever is free",
    tag="bookings",
    status=201,
    answer=BookingCreated,
    body=BookingCreate,
    problems={
        404: ("room_not_found",),
        409: ("room_taken", "capacity_exhausted"),
        503: ("new_room_create_failed", "room_create_failed"),
    },
    scope="bookings:write",
    keyed=True,
)
async def bookings_create(call: Call[BookingCreate]) -> Reply:
    def answer(booked: Booked) -> Reply:
        booking = booked.booking
        body = BookingCreated(
            **booking_fields(call, booking),
            password=call.services.bookings.password(booked.room),
            invite_url=call.services.invite_url(booking),
            guests=tuple(invite_view(call, booking, guest) for guest in booking.guests),
        )
        return Reply(201, body, {"Location": f"/api/v1/bookings/{booking.booking_id}"})

    once = call.once(answer)
    return answer(await call.services.bookings.create(call.caller, call.body, call.address, once))


@operation(
    bp,
    "GET",
    "api/v1/bookings",
    summary="List your bookings by their start",
    tag="bookings",
    answer=list[BookingView],
    query=BookingQuery,
    scope="bookings:read",
)
async def bookings_list(call: Call[None]) -> Reply:
    query = call.query(BookingQuery)
    page = await call.services.bookings.own(
        call.caller, status=query.status, day=query.date, after=query.after, limit=query.limit
    )
    views = [BookingView(**booking_fields(call, booking)) for booking in page.items]
    return Reply(200, views, next_link(call.request.url, query, page.next))


@operation(
    bp,
    "GET",
    ONE,
    summary="Show a booking",
    tag="bookings",
    answer=BookingDetail,
    problems={404: ("booking_not_found",)},
    scope="bookings:read",
)
async def bookings_get(call: Call[None]) -> Reply:
    stored = await call.services.bookings.get(call.caller, call.id("booking_id"))
    return Reply(200, await booking_detail(call, stored))


@operation(
    bp,
    "PATCH",
    ONE,
    summary="Move a booking to another time or room before it starts",
    tag="bookings",
    answer=BookingDetail,
    body=BookingPatch,
    problems={
        400: ("change_too_late",),
        403: ("change_started",),
        404: ("booking_not_found", "room_not_found"),
        409: ("room_taken", "capacity_exhausted", "booking_cancelled"),
    },
    scope="bookings:write",
)
async def bookings_reschedule(call: Call[BookingPatch]) -> Reply:
    number = call.id("booking_id")
    stored = await call.services.bookings.reschedule(call.caller, number, call.body, call.address)
    return Reply(200, await booking_detail(call, stored))


@operation(
    bp,
    "POST",
    f"{ONE}/extend",
    summary="Let a running booking end later, when nothing follows",
    tag="bookings",
    answer=BookingDetail,
    body=BookingExtend,
    problems={
        404: ("booking_not_found",),
        409: ("extend_taken", "booking_not_running", "capacity_exhausted"),
    },
    scope="bookings:write",
)
async def bookings_extend(call: Call[BookingExtend]) -> Reply:
    number = call.id("booking_id")
    stored = await call.services.bookings.extend(call.caller, number, call.body, call.address)
    return Reply(200, await booking_detail(call, stored))


@operation(
    bp,
    "DELETE",
    ONE,
    summary="Cancel a booking before it starts",
    tag="bookings",
    status=204,
    problems={400: ("cancel_too_late",), 403: ("booking_started",), 404: ("booking_not_found",)},
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
    problems={400: ("cancel_too_late",), 403: ("booking_started",), 404: ("booking_not_found",)},
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
    problems={404: ("booking_not_found",), 409: ("booking_not_running",)},
    scope="bookings:write",
)
async def bookings_end(call: Call[None]) -> Reply:
    await call.services.bookings.end(call.caller, call.id("booking_id"), call.address)
    return Reply(204)
