"""The frame of every queue trigger."""

from __future__ import annotations

from typing import Any

import azure.functions as func

from shared.platform import logs
from shared.platform.queues import open_message


def received(msg: func.QueueMessage) -> dict[str, Any]:
    """The body; from here on log lines carry the operation id of whoever put the message."""
    operation_id, body = open_message(msg.get_body().decode())
    logs.operation_id.set(operation_id)
    return body
