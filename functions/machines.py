"""`/api/v1/fleet`: the machines now, as planned, and by hand (webrtc-streaming.md 1.2, 1.3)."""

from __future__ import annotations

import asyncio
from typing import Annotated

import azure.functions as func
from pydantic import Field

from functions.door import Call, Problems, Reply, operation
from shared.fleet.payloads import (
    FleetPlan,
    FleetView,
    MachineExtend,
    MachineHold,
    MachineRelease,
    MachineStart,
    MachineView,
)
from shared.platform.payload import Payload, Utc

bp = func.Blueprint()

ONE = "api/v1/fleet/machines/{vm}"

PICTURE = "image/svg+xml"

OPERATORS: Problems = {403: ("operator_only",)}

BY_HAND: Problems = {
    401: ("fresh_sign_in_required",),
    403: ("operator_only",),
    404: ("vm_not_found",),
    503: ("compute_unavailable",),
}


@operation(
    bp,
    "GET",
    "api/v1/fleet",
    summary="Show the machines as they are now (operators)",
    tag="fleet",
    answer=FleetView,
    problems=OPERATORS,
    any_role=True,
)
async def fleet_show(call: Call[None]) -> Reply:
    return Reply(200, await call.services.fleet_now.show(call.caller))


class PlanQuery(Payload):
    """By default from six hours ago until seven days from now; 31 days at most."""

    from_: Annotated[Utc | None, Field(alias="from")] = None
    to: Utc | None = None


@operation(
    bp,
    "GET",
    "api/v1/fleet/plan",
    summary="When each machine was and will be on, and what it carries (operators)",
    tag="fleet",
    answer=FleetPlan,
    query=PlanQuery,
    problems=OPERATORS,
    any_role=True,
)
async def fleet_plan(call: Call[None]) -> Reply:
    from shared.fleet.plan_answer import plan_answer

    query = call.query(PlanQuery)
    view = await call.services.planning.show(call.caller, query.from_, query.to)
    return Reply(200, await asyncio.to_thread(plan_answer, view))


@operation(
    bp,
    "GET",
    "api/v1/fleet/plan.svg",
    summary="The same, drawn (operators)",
    tag="fleet",
    query=PlanQuery,
    problems=OPERATORS,
    any_role=True,
    media=(PICTURE,),
)
async def fleet_plan_svg(call: Call[None]) -> Reply:
    from shared.fleet.gantt import draw
    from shared.fleet.gantt_text import STYLE_SOURCE

    query = call.query(PlanQuery)
    view = await call.services.planning.show(call.caller, query.from_, query.to)
    zone = call.services.settings.time_zone
    picture = await asyncio.to_thread(draw, view, zone, call.language)
    policy = f"default-src 'none'; style-src {STYLE_SOURCE}; frame-ancestors 'none'"
    headers = {"Content-Type": PICTURE, "Content-Security-Policy": policy}
    return Reply(
        200, picture, {**headers, "Content-Language": call.language, "Vary": "Accept-Language"}
    )


@operation(
    bp,
    "POST",
    f"{ONE}/start",
    summary="Start a machine and keep it on for two hours, or until then (operators)",
    tag="fleet",
    answer=MachineView,
    body=MachineStart,
    problems=BY_HAND,
    any_role=True,
)
async def fleet_start(call: Call[MachineStart]) -> Reply:
    name = call.request.route_params["vm"]
    by_hand = call.services.overrides
    return Reply(200, await by_hand.start(call.caller, name, call.body, call.address))


@operation(
    bp,
    "POST",
    f"{ONE}/hold",
    summary="Keep a machine on until then (operators)",
    tag="fleet",
    answer=MachineView,
    body=MachineHold,
    problems=BY_HAND,
    any_role=True,
)
async def fleet_hold(call: Call[MachineHold]) -> Reply:
    name = call.request.route_params["vm"]
    by_hand = call.services.overrides
    return Reply(200, await by_hand.hold(call.caller, name, call.body, call.address))


@operation(
    bp,
    "POST",
    f"{ONE}/extend",
    summary="Keep a machine on for longer (operators)",
    tag="fleet",
    answer=MachineView,
    body=MachineExtend,
    problems=BY_HAND,
    any_role=True,
)
async def fleet_extend(call: Call[MachineExtend]) -> Reply:
    name = call.request.route_params["vm"]
    by_hand = call.services.overrides
    return Reply(200, await by_hand.extend(call.caller, name, call.body, call.address))


@operation(
    bp,
    "POST",
    f"{ONE}/exclude",
    summary="Put no booking on a machine until then (operators)",
    tag="fleet",
    answer=MachineView,
    body=MachineHold,
    problems=BY_HAND,
    any_role=True,
)
async def fleet_exclude(call: Call[MachineHold]) -> Reply:
    name = call.request.route_params["vm"]
    by_hand = call.services.overrides
    return Reply(200, await by_hand.exclude(call.caller, name, call.body, call.address))


@operation(
    bp,
    "POST",
    f"{ONE}/stop",
    summary="Let a machine go off after its last call, and stay off until then (operators)",
    tag="fleet",
    answer=MachineView,
    body=MachineHold,
    problems=BY_HAND,
    any_role=True,
)
async def fleet_stop(call: Call[MachineHold]) -> Reply:
    name = call.request.route_params["vm"]
    by_hand = call.services.overrides
    return Reply(200, await by_hand.stop(call.caller, name, call.body, call.address))


@operation(
    bp,
    "POST",
    f"{ONE}/release",
    summary="End what was decided about a machine by hand (operators)",
    tag="fleet",
    answer=MachineView,
    body=MachineRelease,
    problems=BY_HAND,
    any_role=True,
)
async def fleet_release(call: Call[MachineRelease]) -> Reply:
    name = call.request.route_params["vm"]
    by_hand = call.services.overrides
    return Reply(200, await by_hand.release(call.caller, name, call.body, call.address))
