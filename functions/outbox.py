"""Carries committed domain events out of the outbox."""

from __future__ import annotations

import azure.functions as func

from functions.queue import received
from shared.platform.queues import OUTBOX

bp = func.Blueprint()


@bp.queue_trigger("msg", OUTBOX, "AzureWebJobsStorage")
async def outbox_relay(msg: func.QueueMessage) -> None:
    from shared.bootstrap import services

    await services().relay.handle(received(msg))
