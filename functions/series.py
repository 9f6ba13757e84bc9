"""`/api/v1/series`: bookings that repeat (RFC 5545)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import azure.functions as func

from functions.door import Call, Reply, operation
from functions.views import booking_fields
from shared.bookings.payloads import (
    BookingView,
    Occurrence,
    SeriesCancelled,
    SeriesCreate,
    SeriesCreated,
    SeriesView,
)

if TYPE_CHECKING:
    from shared.bookings.series import Repeated

bp = func.Blueprint()

ONE = "api/v1/series/{series_id:long}"


@operation(
    bp,
    "POST",
    "api/v1/series",
    summary="Book one room for every time that a rule gives, or nothing",
    tag="bookings",
    status=201,
    answer=SeriesCreated,
    body=SeriesCreate,
    problems={404: ("room_not_found",), 409: ("room_taken", "capacity_exhausted")},
    scope="bookings:write",
    keyed=True,
)
async def series_create(call: Call[SeriesCreate]) -> Reply:
    def answer(made: Repeated) -> Reply:
        body = SeriesCreated(
            series_id=made.series_id,
            room_id=made.room.room_id,
            password=call.services.bookings.password(made.room),
            bookings=[
                Occurrence(booking_id=b.booking_id, start_time=b.start, end_time=b.end)
                for b in made.bookings
            ],
        )
        return Reply(201, body, {"Location": f"/api/v1/series/{made.series_id}"})

    once = call.once(answer)
    return answer(await call.services.series.create(call.caller, call.body, call.address, once))


@operation(
    bp,
    "GET",
    ONE,
    summary="Show a series and its bookings as they are now",
    tag="bookings",
    answer=SeriesView,
    problems={404: ("series_not_found",)},
    scope="bookings:read",
)
async def series_get(call: Call[None]) -> Reply:
    series, bookings = await call.services.series.get(call.caller, call.id("series_id"))
    body = SeriesView(
        series_id=series.series_id,
        rrule=series.rrule,
        time_zone=series.time_zone,
        bookings=[BookingView(**booking_fields(call, booking)) for booking in bookings],
    )
    return Reply(200, body)


@operation(
    bp,
    "DELETE",
    ONE,
    summary="Cancel every booking of a series that can still be cancelled",
    tag="bookings",
    answer=SeriesCancelled,
    problems={404: ("series_not_found",)},
    scope="bookings:write",
)
async def series_cancel(call: Call[None]) -> Reply:
    series = call.services.series
    return Reply(200, await series.cancel(call.caller, call.id("series_id"), call.address))
