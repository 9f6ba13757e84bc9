"""Janus's messages: a request and its answer over a WebSocket, and what an answer says.

This module imports aiohttp: only the client imports it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import aiohttp

CLOSE = 0.3
"""Seconds for a WebSocket's goodbye; a Janus that hangs never answers it."""


@asynccontextmanager
async def connect(
    session: aiohttp.ClientSession, url: str
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    goodbye = aiohttp.ClientWSTimeout(ws_close=CLOSE)
    async with session.ws_connect(url, protocols=("janus-protocol",), timeout=goodbye) as socket:
        yield socket


async def ask(socket: aiohttp.ClientWebSocketResponse, message: dict[str, Any]) -> dict[str, Any]:
    """Sends a request and returns its answer, passing over events. For what Janus only
    acknowledges at first it is the event that follows."""
    transaction = uuid4().hex
    await socket.send_json({**message, "transaction": transaction})
    while True:
        received = await socket.receive()
        if received.type is not aiohttp.WSMsgType.TEXT:
            raise aiohttp.ClientError("the WebSocket was closed")
        answer = parse(received.data)
        if answer.get("transaction") == transaction and answer["janus"] != "ack":
            return answer


def parse(text: str | bytes) -> dict[str, Any]:
    """Raises `ValueError` for anything but an answer of Janus's."""
    answer = json.loads(text)
    if isinstance(answer, dict) and "janus" in answer and isinstance(answer.get("error", {}), dict):
        return answer
    raise ValueError("it is another program that answers")


def code(answer: dict[str, Any]) -> int:
    return int(answer.get("error", {}).get("code") or 0)


def reason(answer: dict[str, Any]) -> str:
    """Never the whole answer: a success may hold tokens."""
    error = answer.get("error", {})
    return str(error.get("reason") or answer.get("janus") or "nothing known")
