"""`/api/v1/operators`: messages to those who run the platform (webrtc-streaming.md 1.2)."""

from __future__ import annotations

import azure.functions as func

from functions.door import Call, Reply, operation
from functions.queue import received
from shared.operators.models import ChannelTest
from shared.platform.queues import OPERATOR_MESSAGES

bp = func.Blueprint()


@operation(
    bp,
    "POST",
    "api/v1/operators/test-message",
    summary="Send a test message to every channel of SUROGA_ALERT_URLS (operators)",
    tag="platform",
    answer=list[ChannelTest],
    problems={403: ("operator_only",)},
    any_role=True,
)
async def operators_test(call: Call[None]) -> Reply:
    return Reply(200, await call.services.operators.test(call.caller))


@bp.queue_trigger("msg", OPERATOR_MESSAGES, "AzureWebJobsStorage")
async def operators_deliver(msg: func.QueueMessage) -> None:
    from shared.bootstrap import services

    await services().operators.handle(received(msg))
