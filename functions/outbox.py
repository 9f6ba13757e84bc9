"""Carries committed domain events out of the outbox."""

from __future__ import annotations

import azure.functions as func

from shared.platform import logs
from shared.platform.queues import OUTBOX, open_message

bp = func.Blueprint()


@bp.queue_trigger("msg", OUTBOX, "AzureWebJobsStorage")
async def outbox_relay(msg: func.QueueMessage) -> None:
    from shared.bootstrap import services

    operation_id, body = open_message(msg.get_body().decode())
    logs.operation_id.set(operation_id)
    await services().relay.handle(body)
