"""Joining a call, and the events by which Janus tells who is in it."""

from __future__ import annotations

import azure.functions as func

from functions.door import Call, Reply, operation
from functions.queue import received
from shared.calls.models import (
    InviteJoinRequest,
    InviteShown,
    InviteShowRequest,
    JoinRequest,
    Ticket,
)
from shared.platform.queues import JANUS_EVENTS

bp = func.Blueprint()


@operation(
    bp,
    "POST",
    "api/v1/bookings/{booking_id:long}/join",
    summary="Enter the call of your booking",
    tag="calls",
    answer=Ticket,
    body=JoinRequest,
    problems={
        403: ("too_early",),
        404: ("booking_not_found",),
        410: ("booking_over", "booking_cancelled"),
        425: ("room_starting",),
        503: ("janus_unavailable",),
    },
    scope="calls:join",
)
async def bookings_join(call: Call[JoinRequest]) -> Reply:
    joining, number = call.services.joining, call.id("booking_id")
    return Reply(200, await joining.by_booker(call.caller, number, call.body, call.address))


@operation(
    bp,
    "POST",
    "api/v1/invites/join",
    summary="Enter a call by its invite",
    tag="calls",
    answer=Ticket,
    body=InviteJoinRequest,
    signed_in=False,
    problems={
        401: ("invite_invalid",),
        403: ("too_early",),
        409: ("room_full",),
        410: ("booking_over", "booking_cancelled", "invite_revoked"),
        425: ("room_starting",),
        503: ("janus_unavailable",),
    },
)
async def invites_join(call: Call[InviteJoinRequest]) -> Reply:
    return Reply(200, await call.services.joining.by_invite(call.body, call.address))


@operation(
    bp,
    "POST",
    "api/v1/invites/show",
    summary="Show the booking of an invite",
    tag="calls",
    answer=InviteShown,
    body=InviteShowRequest,
    signed_in=False,
    problems={401: ("invite_invalid",), 410: ("invite_revoked",)},
)
async def invites_show(call: Call[InviteShowRequest]) -> Reply:
    return Reply(200, await call.services.joining.show(call.body))


@operation(
    bp,
    "POST",
    "janus/events",
    summary="Takes the events of a machine's Janus (basic auth, one credential a machine)",
    tag="platform",
    signed_in=False,
    throttled=False,
    problems={400: ("invalid_json",), 401: ("unauthorized",), 413: ("body_too_large",)},
)
async def janus_events(call: Call[None]) -> Reply:
    await call.services.janus_events.take(
        call.request.headers.get("authorization"), call.request.get_body()
    )
    return Reply(200)


@bp.queue_trigger("msg", JANUS_EVENTS, "AzureWebJobsStorage")
async def calls_record(msg: func.QueueMessage) -> None:
    from shared.bootstrap import services

    await services().calls.handle(received(msg))
