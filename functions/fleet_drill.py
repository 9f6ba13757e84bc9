"""`/api/v1/fleet/drills`: machines are rehearsed while nobody needs one (webrtc-streaming.md 1.3).

The timer comes a quarter of a minute after the reconciler's.
"""

from __future__ import annotations

import azure.functions as func

from functions.door import Call, Reply, operation
from shared.fleet.drill_payloads import DrillCreate, DrillView, over, under_way
from shared.platform import logs

bp = func.Blueprint()

ROUTE = "api/v1/fleet/drills"


@operation(
    bp,
    "GET",
    ROUTE,
    summary="List the last drills, the newest first (operators)",
    tag="fleet",
    answer=list[DrillView],
    problems={403: ("operator_only",)},
    any_role=True,
)
async def fleet_drills(call: Call[None]) -> Reply:
    current, results = await call.services.drills.recent(call.caller)
    first = [under_way(current)] if current else []
    return Reply(200, [*first, *map(over, results)])


@operation(
    bp,
    "POST",
    ROUTE,
    summary="Begin a drill now, if no machine is needed for a while (operators)",
    tag="fleet",
    status=202,
    answer=DrillView,
    body=DrillCreate,
    problems={
        401: ("fresh_sign_in_required",),
        403: ("operator_only",),
        404: ("vm_not_found",),
        409: ("drill_under_way", "drill_not_idle", "vm_not_off"),
        503: ("compute_unavailable",),
    },
    any_role=True,
)
async def fleet_drills_start(call: Call[DrillCreate]) -> Reply:
    drills = call.services.drills
    return Reply(202, under_way(await drills.start(call.caller, call.address, call.body.vm or "")))


@bp.timer_trigger("timer", "15 * * * * *")
async def fleet_drill(timer: func.TimerRequest) -> None:
    from shared.bootstrap import services

    logs.new_operation()
    await services().drills.run()
