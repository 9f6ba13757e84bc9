"""`/api/v1/bookings/{id}/invites` and the files that go with a booking: `.ics` and QR code.

They are made in a thread: drawing, and the first import of what draws, take longer than the other
requests of the process should wait.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import azure.functions as func
from pydantic import Field

from functions.door import Call, Reply, operation
from functions.views import invite_view
from shared.bookings.payloads import InviteCreate, InviteView
from shared.platform.payload import Payload
from shared.platform.qr import Format, qr_code

if TYPE_CHECKING:
    from shared.bookings.guests import Invited
    from shared.bookings.models import Booking

bp = func.Blueprint()

BOOKING = "api/v1/bookings/{booking_id:long}"
ALL = f"{BOOKING}/invites"
ONE = f"{ALL}/{{invite_id}}"
CALENDAR = "text/calendar"
PICTURES: dict[Format, str] = {"svg": "image/svg+xml", "png": "image/png"}


class QrQuery(Payload):
    """`scale` is the width of one module, in pixels."""

    format: Format = "svg"
    scale: Annotated[int, Field(ge=1, le=10)] = 4


@operation(
    bp,
    "POST",
    ALL,
    summary="Invite a guest by a link of their own",
    tag="invites",
    status=201,
    answer=InviteView,
    body=InviteCreate,
    problems={404: ("booking_not_found",), 409: ("booking_closed", "too_many_guests")},
    scope="bookings:write",
    keyed=True,
)
async def invites_create(call: Call[InviteCreate]) -> Reply:
    def answer(made: Invited) -> Reply:
        where = f"/api/v1/bookings/{made.booking.booking_id}/invites/{made.guest.id}"
        return Reply(201, invite_view(call, made.booking, made.guest), {"Location": where})

    number, guests = call.id("booking_id"), call.services.guests
    return answer(
        await guests.invite(call.caller, number, call.body, call.address, call.once(answer))
    )


@operation(
    bp,
    "GET",
    ALL,
    summary="List a booking's invites, the shared link first",
    tag="invites",
    answer=list[InviteView],
    problems={404: ("booking_not_found",)},
    scope="bookings:read",
)
async def invites_list(call: Call[None]) -> Reply:
    booking = await call.services.guests.booking(call.caller, call.id("booking_id"))
    return Reply(200, [invite_view(call, booking, guest) for guest in booking.invites])


@operation(
    bp,
    "DELETE",
    ONE,
    summary="Revoke an invite at once",
    tag="invites",
    status=204,
    problems={404: ("booking_not_found", "invite_not_found")},
    scope="bookings:write",
)
async def invites_revoke(call: Call[None]) -> Reply:
    number, invite_id = call.id("booking_id"), call.request.route_params["invite_id"]
    await call.services.guests.revoke(call.caller, number, invite_id, call.address)
    return Reply(204)


@operation(
    bp,
    "GET",
    f"{ONE}/qr",
    summary="Draw an invite's link as a QR code",
    tag="invites",
    query=QrQuery,
    problems={404: ("booking_not_found", "invite_not_found")},
    scope="bookings:read",
    media=tuple(PICTURES.values()),
)
async def invites_qr(call: Call[None]) -> Reply:
    query, invited = call.query(QrQuery), await _invited(call)
    link = call.services.invite_url(invited.booking, invited.guest.id)
    picture = await asyncio.to_thread(qr_code, link, query.format, query.scale)
    return Reply(200, picture, {"Content-Type": PICTURES[query.format]})


@operation(
    bp,
    "GET",
    f"{ONE}/calendar.ics",
    summary="A guest's calendar file, with the link of that guest",
    tag="invites",
    problems={404: ("booking_not_found", "invite_not_found")},
    scope="bookings:read",
    media=(CALENDAR,),
)
async def invites_calendar(call: Call[None]) -> Reply:
    invited = await _invited(call)
    booking, guest = invited.booking, invited.guest
    link = call.services.invite_url(booking, guest.id)
    files = call.services.calendar_files
    content = await asyncio.to_thread(
        files.of_guest, call.caller, booking, guest, link, call.language
    )
    return _file(call, booking, content)


@operation(
    bp,
    "GET",
    f"{BOOKING}/calendar.ics",
    summary="The booker's calendar file of a booking",
    tag="bookings",
    problems={404: ("booking_not_found",)},
    scope="bookings:read",
    media=(CALENDAR,),
)
async def bookings_calendar(call: Call[None]) -> Reply:
    booking = await call.services.guests.booking(call.caller, call.id("booking_id"))
    files = call.services.calendar_files
    content = await asyncio.to_thread(files.of_booker, call.caller, booking, call.language)
    return _file(call, booking, content)


async def _invited(call: Call[Any]) -> Invited:
    invite_id = call.request.route_params["invite_id"]
    return await call.services.guests.find(call.caller, call.id("booking_id"), invite_id)


def _file(call: Call[Any], booking: Booking, content: bytes) -> Reply:
    headers = {
        "Content-Type": CALENDAR,
        "Content-Disposition": f'attachment; filename="booking-{booking.booking_id}.ics"',
        "Content-Language": call.language,
        "Vary": "Accept-Language",
    }
    return Reply(200, content, headers)
