"""The reconciler's timer and its wake-ups."""

from __future__ import annotations

import azure.functions as func

from shared.platform import logs
from shared.platform.queues import FLEET_WAKE, open_message

bp = func.Blueprint()


@bp.timer_trigger("timer", "0 * * * * *")
async def fleet_tick(timer: func.TimerRequest) -> None:
    from shared.bootstrap import services

    logs.new_operation()
    await services().tick()


@bp.queue_trigger("msg", FLEET_WAKE, "AzureWebJobsStorage")
async def fleet_wake(msg: func.QueueMessage) -> None:
    from shared.bootstrap import services

    operation_id, body = open_message(msg.get_body().decode())
    logs.operation_id.set(operation_id)
    await services().tick(int(body["attempt"]))
