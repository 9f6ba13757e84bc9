"""The reconciler's timer and its wake-ups."""

from __future__ import annotations

import azure.functions as func

from functions.queue import received
from shared.platform import logs
from shared.platform.queues import FLEET_WAKE

bp = func.Blueprint()


@bp.timer_trigger("timer", "0 * * * * *")
async def fleet_tick(timer: func.TimerRequest) -> None:
    from shared.bootstrap import services

    logs.new_operation()
    await services().tick()


@bp.queue_trigger("msg", FLEET_WAKE, "AzureWebJobsStorage")
async def fleet_wake(msg: func.QueueMessage) -> None:
    from shared.bootstrap import services

    await services().tick(int(received(msg)["attempt"]))
