"""The queues port in memory: `messages` holds (queue, body, delay) in the order of putting."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any


class FakeQueues:
    def __init__(self) -> None:
        self.messages: list[tuple[str, dict[str, Any], float]] = []
        self.fail = lambda verb: None

    async def put(self, queue: str, body: Mapping[str, Any], delay: float = 0) -> None:
        self.fail("put")
        await asyncio.sleep(0)
        self.messages.append((queue, json.loads(json.dumps(body)), delay))
        self.fail("put!")

    def take(self, queue: str) -> list[dict[str, Any]]:
        """Removes and returns the bodies that were put to `queue`."""
        taken = [body for name, body, _ in self.messages if name == queue]
        self.messages = [m for m in self.messages if m[0] != queue]
        return taken

    async def ping(self, timeout: float) -> None:
        self.fail("ping")

    async def close(self) -> None:
        pass
