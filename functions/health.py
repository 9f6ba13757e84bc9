"""`/health` (webrtc-streaming.md 5.2)."""

from __future__ import annotations

from typing import Literal

import azure.functions as func

from functions.door import Call, Reply, operation
from shared.platform.payload import Payload

bp = func.Blueprint()


class Health(Payload):
    """`janus` is `idle` while no call could begin, which is no failure; `degraded` means that the
    API works and calls don't."""

    status: Literal["ok", "degraded", "down"]
    database: Literal["ok", "down"]
    queue: Literal["ok", "down"]
    janus: Literal["ok", "idle", "down"]


@operation(
    bp,
    "GET",
    "health",
    summary="Whether the parts answer; 503 when the storage does not",
    tag="platform",
    answer=Health,
    signed_in=False,
    throttled=False,
    problems={503: ()},
)
async def health(call: Call[None]) -> Reply:
    found = await call.services.health()
    return Reply(200 if found["status"] != "down" else 503, Health.model_validate(found))
