"""A TCP proxy that loses or delays a request, or loses an answer, between a client and a real
server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Literal, Self

Fault = Literal["request", "answer"]


class Proxy:
    """`async with Proxy(port) as proxy:` listens on `proxy.port`. `proxy.cut(fault)` arms it:
    «request» cuts the next connection that sends something before the server sees it, «answer»
    delivers the request, waits until the server has begun to answer, and cuts then. `lags` has the
    seconds by which each request comes later: 0 when it is used up."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._fault: Fault | None = None
        self._times = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.cuts = 0
        self.lags: Iterator[float] = iter(())

    @property
    def port(self) -> int:
        assert self._server
        return int(self._server.sockets[0].getsockname()[1])

    def cut(self, fault: Fault, times: int = 1) -> None:
        self._fault, self._times = fault, times

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        upstream: asyncio.StreamWriter | None = None
        try:
            answers, upstream = await asyncio.open_connection("127.0.0.1", self._target)
            directions = [
                asyncio.ensure_future(self._copy(reader, upstream, "request")),
                asyncio.ensure_future(self._copy(answers, writer, "answer")),
            ]
            try:
                await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for direction in directions:
                    direction.cancel()
                await asyncio.gather(*directions, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            for each in (writer, upstream):
                if each:
                    each.transport.abort()
            self._tasks.discard(task)

    async def _copy(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, direction: Fault
    ) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                if self._fault == direction and self._times > 0:
                    self._times -= 1
                    self.cuts += 1
                    return
                if direction == "request":
                    await asyncio.sleep(next(self.lags, 0))
                sink.write(data)
                await sink.drain()
