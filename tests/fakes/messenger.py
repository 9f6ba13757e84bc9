"""The messenger port in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from shared.operators.messenger import Undelivered
from shared.operators.models import Notice


class FakeMessenger:
    """`sent` holds (channel, notice); `refuse[channel]` is raised instead; `tried` counts both."""

    def __init__(self, channels: Sequence[str] = ()) -> None:
        self.channels = channels
        self.sent: list[tuple[int, Notice]] = []
        self.refuse: dict[int, Undelivered] = {}
        self.tried = 0

    async def send(self, channel: int, notice: Notice) -> None:
        self.tried += 1
        await asyncio.sleep(0)
        if channel in self.refuse:
            raise self.refuse[channel]
        self.sent.append((channel, notice))
