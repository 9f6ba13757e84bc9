"""Counts what goes through a port: requests, waits for them, rows read."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from shared.platform.tables import Row

ANSWER = 1000
"""Rows in one answer of the table service; more take another request, which waits for the first."""

QUIET = 0.02
"""Seconds in which nothing more is asked: all that can be under way together is."""


class Wave:
    """Requests that are answered together."""

    def __init__(self) -> None:
        self.running = 0
        self.most_answers = 1
        self.over = asyncio.Event()
        self.timer: asyncio.TimerHandle | None = None


class Recorder:
    """While it counts waits, requests that are under way together are answered together, when the
    last of them is: what goes on then has waited once. That takes time, so it is never on while
    times are measured."""

    def __init__(self) -> None:
        self.verbs: Counter[str] = Counter()
        self.rows = 0
        self.waits = 0
        self.in_waves = False
        self._wave: Wave | None = None

    def clear(self) -> None:
        self.verbs.clear()
        self.rows = self.waits = 0

    @property
    def requests(self) -> int:
        return self.verbs.total()

    async def note(
        self, verb: str, call: Awaitable[Any], read: Callable[[], Awaitable[int]] | None
    ) -> Any:
        """`read` tells how many rows the service looked at, where they are more than it gave."""
        wave = self._join() if self.in_waves else None
        answers = 1
        try:
            answer = await call
            rows = len(answer) if isinstance(answer, list) else int(isinstance(answer, Row))
            if read and self.in_waves:
                rows = await read()
            answers = max(1, -(-rows // ANSWER))
            self.rows += rows
        finally:
            self.verbs[verb] += answers
            if wave:
                await self._leave(wave, answers)
        return answer

    def _join(self) -> Wave:
        wave = self._wave = self._wave or Wave()
        wave.running += 1
        if wave.timer:
            wave.timer.cancel()
        return wave

    async def _leave(self, wave: Wave, answers: int) -> None:
        wave.running -= 1
        wave.most_answers = max(wave.most_answers, answers)
        if not wave.running:
            wave.timer = asyncio.get_running_loop().call_later(QUIET, self._end, wave)
        await wave.over.wait()

    def _end(self, wave: Wave) -> None:
        self.waits += wave.most_answers
        self._wave = None
        wave.over.set()


class Counted:
    """A port, tables or queues, all of whose methods are noted."""

    def __init__(self, port: Any, recorder: Recorder) -> None:
        self._port = port
        self._recorder = recorder

    def __getattr__(self, verb: str) -> Any:
        method = getattr(self._port, verb)

        async def noted(*args: Any, **kwargs: Any) -> Any:
            read = partial(self._scanned, *args) if verb == "scan" else None
            return await self._recorder.note(verb, method(*args, **kwargs), read)

        return noted

    async def _scanned(self, table: str, pks: tuple[str, str], *_: Any) -> int:
        """A scan reads all rows of its partitions, whichever it gives."""
        return len(await self._port.scan(table, pks, ("", "\ufffd"), {}))
