"""The queues port: put a JSON message, now or after a delay.

Receiving is the Functions host's work (queue triggers), so the port only sends. The operation id
of the current request travels in the envelope: `{"op": "<operation id>", "body": {...}}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

OUTBOX = "outbox"
"""Pointers to outbox rows: see `shared/events/outbox.py`."""

FLEET_WAKE = "fleet-wake"
"""Ask the reconciler to run now: see `shared/fleet/service.py`."""

JANUS_EVENTS = "janus-events"
"""Redacted batches of Janus events: see `shared/calls/service.py`."""

QUEUES = (OUTBOX, FLEET_WAKE, JANUS_EVENTS)

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
