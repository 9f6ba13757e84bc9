"""The host's own endpoints under `/admin`.

https://learn.microsoft.com/azure/azure-functions/functions-manually-run-non-http
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import unquote

from aiohttp import web

from shared.platform import logs

Fire = Callable[[str], Awaitable[None]]
"""Runs a function once with the given input; raises when the function fails."""


class Admin:
    def __init__(self, fires: Mapping[str, Fire | None]) -> None:
        """By function name; None for a function that only a request can start."""
        self._fires = {name.lower(): fire for name, fire in fires.items()}
        self._tasks: set[asyncio.Task[None]] = set()
        self.running = False
        """Whether timers and queues are listened to."""

    async def answer(self, request: web.BaseRequest, path: str) -> web.Response:
        parts = path.strip("/").split("/")[1:]
        match request.method, [part.lower() for part in parts]:
            case "GET", ["host", "status"]:
                return web.json_response({"state": "Running" if self.running else "Starting"})
            case "POST", ["functions", name]:
                return await self._run(request, unquote(name))
        return web.Response(status=404)

    async def _run(self, request: web.BaseRequest, name: str) -> web.Response:
        # Asking for JSON also keeps other sites' pages out: they would need a preflight first.
        if request.content_type != "application/json":
            return web.Response(status=415)
        try:
            asked = json.loads(await request.read())
        except (ValueError, RecursionError):
            asked = None
        except web.HTTPRequestEntityTooLarge:
            return web.Response(status=413)
        wanted = asked.get("input") if isinstance(asked, dict) else 0
        if not isinstance(wanted, str | None):
            return web.Response(status=400)
        if name not in self._fires:
            return web.Response(status=404)
        fire = self._fires[name]
        if fire is None:
            return web.Response(status=400)
        task = asyncio.create_task(_quietly(fire, wanted or ""))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return web.Response(status=202)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _quietly(fire: Fire, wanted: str) -> None:
    """Nobody waits for the outcome: 202 has been answered."""
    try:
        await fire(wanted)
    except Exception as error:
        logs.exception("admin.run_failed", error)
