"""`/api/v1/fleet`: the machines now, as planned, and by hand (webrtc-streaming.md 1.2, 1.3)."""

from __future__ import annotations

import azure.functions as func

from functions.door import Call, Problems, Reply, operation
from shared.fleet.payloads import (
    FleetView,
    MachineExtend,
    MachineHold,
    MachineRelease,
    MachineStart,
    MachineView,
)

bp = func.Blueprint()

ONE = "api/v1/fleet/machines/{vm}"

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
