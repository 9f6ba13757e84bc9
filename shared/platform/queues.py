"""The queues port: put a JSON message, now or after a delay.

Receiving is the Functions host's work (queue triggers), so the port only sends. The operation id
of the current request travels in the envelope: `{"op": "<operation id>", "body": {...}}`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

from shared.platform.logs import operation_id

OUTBOX = "outbox"
"""Pointers to outbox rows: see `shared/events/outbox.py`."""

FLEET_WAKE = "fleet-wake"
"""Ask the reconciler to run now: see `shared/fleet/service.py`."""

JANUS_EVENTS = "janus-events"
"""Redacted batches of Janus events: see `shared/calls/service.py`."""

OPERATOR_MESSAGES = "operator-messages"
"""Messages to operators, one for each channel: see `shared/operators/service.py`."""

QUEUES = (OUTBOX, FLEET_WAKE, JANUS_EVENTS, OPERATOR_MESSAGES)

MAX_BODY = 45_000
"""Bytes of JSON that fit a Storage queue message of 64 KiB after base64 and envelope."""


class Queues(Protocol):
    """The port. Methods raise `tables.StorageUnavailable` when the service does not answer."""

    async def put(self, queue: str, body: Mapping[str, Any], delay: float = 0) -> None:
        """Enqueues `body`, visible after `delay` seconds (at most 7 days)."""
        ...

    async def ping(self, timeout: float) -> None:
        """Raises `StorageUnavailable` unless the service answers within `timeout` seconds."""
        ...

    async def close(self) -> None: ...


def seal_message(body: Mapping[str, Any]) -> str:
    """The envelope around `body`, with the operation id of this context."""
    envelope = {"op": operation_id.get(), "body": body}
    return json.dumps(envelope, ensure_ascii=False, separators=(",", ":"))


def open_message(text: str) -> tuple[str, dict[str, Any]]:
    """The operation id and the body of a message; raises `ValueError` when it is none of ours."""
    envelope = json.loads(text)
    match envelope:
        case {"op": str(op), "body": dict(body)}:
            return op, body
    raise ValueError("The message is no envelope of ours")
