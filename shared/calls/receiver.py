"""Takes what Janus' event handler posts: it never repeats a batch, so a good one is never refused.

https://janus.conf.meetecho.com/docs/eventhandlers.html
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shared.calls.service import Calls
from shared.janus.events import redact
from shared.janus.keys import vm_keys
from shared.platform.problems import Problem
from shared.platform.queues import MAX_BODY

MAX_BATCH = 4 * 1024 * 1024
"""Bytes of one post; a real batch has a few kB."""


class JanusEvents:
    def __init__(self, calls: Calls, janus_key: str) -> None:
        self._calls = calls
        self._janus_key = janus_key

    async def take(self, authorization: str | None, raw: bytes) -> None:
        """Problems: 401 for a foreign credential, 400 for what is no JSON, 413."""
        vm = self._machine(authorization)
        if len(raw) > MAX_BATCH:
            raise Problem(413, "body_too_large", {"limit": str(MAX_BATCH)})
        try:
            batch = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise Problem(400, "invalid_json") from error
        await self._calls.accept(list(_chunks(redact(batch, vm))))

    def _machine(self, authorization: str | None) -> str:
        """The machine whose credential this is; compared in constant time."""
        user, password = _basic(authorization)
        expected = vm_keys(self._janus_key, user).event_password
        if not user or not hmac.compare_digest(password.encode(), expected.encode()):
            raise Problem(401, "unauthorized", headers={"WWW-Authenticate": "Basic"})
        return user


def _basic(authorization: str | None) -> tuple[str, str]:
    scheme, _, value = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return user, password


def _chunks(events: Sequence[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """Batches that fit a queue message."""
    chunk: list[Mapping[str, Any]] = []
    size = 0
    for event in events:
        length = len(json.dumps(event)) + 2
        if chunk and size + length > MAX_BODY - 1000:
            yield chunk
            chunk, size = [], 0
        chunk.append(event)
        size += length
    if chunk:
        yield chunk
