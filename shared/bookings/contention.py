"""Many want the same day: turns within a process, jittered tries between processes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from shared.bookings.attempts import Contended
from shared.events.relay import PATIENCE
from shared.platform.clock import Clock
from shared.platform.problems import busy
from shared.platform.turns import Turns

T = TypeVar("T")

TRIES = 12
"""Attempts at a contended day before the caller is asked to come back."""

TURN = 3.0
"""Seconds to wait for the others of this process that book the same day."""

Pause = Callable[[int], Awaitable[None]]
"""Waits before the n-th attempt: jittered in life, nothing in tests."""


class Contention:
    def __init__(self, clock: Clock, pause: Pause) -> None:
        self._clock = clock
        self._pause = pause
        self._turns = Turns()

    async def run(self, pk: str, attempt: Callable[[int], Awaitable[T]]) -> T:
        """Calls `attempt(0)`, `attempt(1)`, … until one is not `Contended`.

        Raises Problem 503 for who waits too long: nobody queues up behind a storage that hangs.
        """
        turn = self._turns.of(pk)
        try:
            async with asyncio.timeout(TURN):
                await turn.acquire()
        except TimeoutError:
            raise busy() from None
        try:
            return await self._tries(attempt)
        finally:
            turn.release()

    async def _tries(self, attempt: Callable[[int], Awaitable[T]]) -> T:
        """Gives up well before the relay forgets the pointer that the first attempt has put."""
        deadline = self._clock.now() + PATIENCE / 2
        for number in range(TRIES):
            await self._pause(number)
            try:
                return await attempt(number)
            except Contended:
                if self._clock.now() > deadline:
                    break
        raise busy()
