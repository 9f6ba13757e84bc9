"""A call's signalling from end to end, without media: what a drill does on a machine.

It goes the way of browsers: the URL that they try first, tokens signed for them, and the pin.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from shared.janus import wire
from shared.janus.port import JanusError, Participant, RoomSpec
from shared.janus.tokens import VIDEOROOM

DISPLAY = "rehearsal"


class Rehearsal:
    """One visit of a room. Methods raise `JanusError` with the step that was refused."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, token: str) -> None:
        self._socket = socket
        self._token = token
        self._ids: dict[str, int] = {}

    async def visit(
        self,
        room: RoomSpec,
        room_token: str,
        participants: Callable[[int], Awaitable[list[Participant]]],
    ) -> None:
        self._ids["session_id"] = await self._id("open a session", {"janus": "create"})
        attach = {"janus": "attach", "plugin": VIDEOROOM}
        self._ids["handle_id"] = await self._id("attach to the plugin", attach)
        join = {"request": "join", "ptype": "publisher", "room": room.room_id, "display": DISPLAY}
        secrets = {"pin": room.pin, "token": room_token}
        joined = await self._message("join", {**join, **secrets})
        if joined.get("id") not in {person.id for person in await participants(room.room_id)}:
            raise JanusError("Joined, but the room does not list who joined")
        await self._message("leave", {"request": "leave"})
        del self._ids["handle_id"]
        await self._ask("close the session", {"janus": "destroy"})

    async def _id(self, step: str, request: dict[str, Any]) -> int:
        answer = await self._ask(step, request)
        return int(answer["data"]["id"])

    async def _message(self, step: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = await self._ask(f"{step} the room", {"janus": "message", "body": body})
        data: dict[str, Any] = answer.get("plugindata", {}).get("data", {})
        if "error_code" in data:
            raise JanusError(f"Can't {step} the room: {data.get('error')}", int(data["error_code"]))
        return data

    async def _ask(self, step: str, request: dict[str, Any]) -> dict[str, Any]:
        message = {**request, **self._ids, "token": self._token}
        answer = await wire.ask(self._socket, message)
        if answer["janus"] == "error":
            raise JanusError(f"Can't {step}: {wire.reason(answer)}", wire.code(answer))
        return answer
