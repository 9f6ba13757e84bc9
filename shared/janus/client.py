"""The Janus port over the Admin API, as Janus 1.1.2 speaks it.

Rooms are managed without session or handle: each call is one POST to the Admin API,

    {"janus": "message_plugin", "plugin": "janus.plugin.videoroom", "admin_secret": "…",
     "transaction": "<uuid>", "request": {"request": "destroy", "room": 12345, "secret": "…"}}

which answers HTTP 200 even when it refuses (m):

    {"janus": "success", "response": {"videoroom": "destroyed", "room": 12345}}
    {"janus": "success", "response": {"videoroom": "event", "error_code": 426, "error": "No such…"}}
    {"janus": "error", "error": {"code": 403, "reason": "Unauthorized request (wrong or …)"}}

https://janus.conf.meetecho.com/docs/videoroom.html, https://janus.conf.meetecho.com/docs/admin.html
This module imports aiohttp: only the composition root imports it.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import aiohttp

from shared.janus import wire
from shared.janus.keys import VmKeys, vm_keys
from shared.janus.port import (
    Endpoint,
    Janus,
    JanusError,
    JanusUnavailable,
    NoSuchRoom,
    Participant,
    RoomSpec,
)
from shared.janus.rehearsal import Rehearsal
from shared.janus.tokens import VIDEOROOM, room_token, session_token
from shared.platform.clock import Clock

TIMEOUT = 2.0
"""Seconds for each call (`ready` makes two). Janus answers in 1 ms, `ready` takes 4 ms (m)."""

REHEARSAL_TIMEOUT = 5.0
"""Seconds for all of `rehearse`: ten round trips, which take 6 ms on one computer (m)."""

_TOKEN_LIFE = timedelta(minutes=1)
"""Of the tokens that we use ourselves."""

BITRATE = 1_500_000
"""bit/s of one publisher's video: what a 720p call needs."""

_NO_SUCH_ROOM = 426
_ROOM_EXISTS = 427
_NO_SUCH_PARTICIPANT = 428
_NOT_AUTHORIZED = 403
_TOKENS_NOT_STORED = 490


class JanusClients:
    """The `JanusFactory`. All clients share one aiohttp session, which the caller closes."""

    def __init__(self, session: aiohttp.ClientSession, janus_key: str, clock: Clock) -> None:
        self._session = session
        self._janus_key = janus_key
        self._clock = clock

    def __call__(self, machine: Endpoint) -> Janus:
        keys = vm_keys(self._janus_key, machine.name)
        return JanusClient(self._session, machine, keys, self._clock)


class JanusClient:
    def __init__(
        self, session: aiohttp.ClientSession, machine: Endpoint, keys: VmKeys, clock: Clock
    ) -> None:
        self._session = session
        self._machine = machine
        self._keys = keys
        self._clock = clock

    async def ready(self, *, sessions: bool = True) -> None:
        if sessions:
            await self._check_sessions()
        await self._check_signed_mode()

    async def _check_sessions(self) -> None:
        """As browsers do it: over the WebSocket URL that they open, without any api secret."""
        expires = self._clock.now() + _TOKEN_LIFE
        good = session_token(self._keys.token_secret, expires)
        forged = session_token(f"not {self._keys.token_secret}", expires)
        try:
            async with (
                asyncio.timeout(TIMEOUT),
                wire.connect(self._session, self._machine.janus_url) as socket,
            ):
                # Janus destroys the sessions of a socket that closes, also those of a failed probe.
                answer = await wire.ask(socket, {"janus": "create", "token": good})
                if answer.get("janus") != "success":
                    why = f"Janus refuses a good token: {wire.reason(answer)}"
                    raise JanusError(why, wire.code(answer))
                answer = await wire.ask(socket, {"janus": "create", "token": forged})
                if answer.get("janus") == "success":
                    raise JanusError("Janus lets anyone in: it is not in signed mode")
                if wire.code(answer) != _NOT_AUTHORIZED:
                    raise JanusError(f"Janus fails on a forged token: {wire.reason(answer)}")
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise self._unavailable(error) from error

    async def _check_signed_mode(self) -> None:
        """In stored mode too a forged token gets 403; but only signed mode verifies room tokens."""
        answer = await self._admin({"janus": "list_tokens"})
        if wire.code(answer) != _TOKENS_NOT_STORED:
            raise JanusError(f"Janus is not in signed mode: list_tokens says {wire.reason(answer)}")

    async def accept_sessions(self, on: bool) -> None:
        answer = await self._admin({"janus": "accept_new_sessions", "accept": on})
        if answer.get("janus") != "success":
            raise JanusError(wire.reason(answer), wire.code(answer))

    async def rehearse(self, room: RoomSpec) -> None:
        expires = self._clock.now() + _TOKEN_LIFE
        token = session_token(self._keys.token_secret, expires)
        entry = room_token(self._keys.token_secret, room.room_id, expires)
        try:
            async with (
                asyncio.timeout(REHEARSAL_TIMEOUT),
                wire.connect(self._session, self._machine.janus_url) as socket,
            ):
                await Rehearsal(socket, token).visit(room, entry, self.participants)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise self._unavailable(error, REHEARSAL_TIMEOUT) from error

    async def create_room(self, room: RoomSpec) -> None:
        body = {
            "request": "create",
            "admin_key": self._keys.create_key,
            "room": room.room_id,
            "description": f"Room {room.room_id}",
            "secret": room.secret,
            "pin": room.pin,
            "publishers": room.size,
            "permanent": False,
            "is_private": True,
            "signed_tokens": True,
            "require_pvtid": True,
            "notify_joining": False,
            "audiocodec": "opus",
            "videocodec": "vp8,h264",
            "bitrate": BITRATE,
            "bitrate_cap": True,
            "fir_freq": 10,
        }
        await self._room(body, ignore=_ROOM_EXISTS)

    async def edit_room(self, room_id: int, secret: str, new_pin: str) -> None:
        body = {"request": "edit", "room": room_id, "secret": secret, "new_pin": new_pin}
        await self._room({**body, "permanent": False})

    async def rooms(self) -> set[int]:
        # Private rooms are listed for whoever knows the admin key.
        answer = await self._room({"request": "list", "admin_key": self._keys.create_key})
        return {int(room["room"]) for room in answer["list"]}

    async def destroy_room(self, room_id: int, secret: str) -> None:
        body = {"request": "destroy", "room": room_id, "secret": secret, "permanent": False}
        await self._room(body, ignore=_NO_SUCH_ROOM)

    async def participants(self, room_id: int) -> list[Participant]:
        answer = await self._room({"request": "listparticipants", "room": room_id})
        return [
            Participant(int(p["id"]), str(p.get("display", "")), bool(p.get("publisher")))
            for p in answer["participants"]
        ]

    async def kick(self, room_id: int, secret: str, participant_id: int) -> None:
        body = {"request": "kick", "room": room_id, "secret": secret, "id": participant_id}
        await self._room(body, ignore=_NO_SUCH_PARTICIPANT)

    async def _room(self, body: dict[str, Any], ignore: int = 0) -> dict[str, Any]:
        """Asks the videoroom plugin; an error with the code `ignore` is no error."""
        message = {"janus": "message_plugin", "plugin": VIDEOROOM, "request": body}
        answer = await self._admin(message)
        if answer.get("janus") != "success":
            raise JanusError(wire.reason(answer), wire.code(answer))
        response: dict[str, Any] = answer.get("response") or {}
        code = int(response.get("error_code") or 0)
        if code and code != ignore:
            reason = str(response.get("error", "no reason given"))
            raise NoSuchRoom(reason) if code == _NO_SUCH_ROOM else JanusError(reason, code)
        return response

    async def _admin(self, message: dict[str, Any]) -> dict[str, Any]:
        try:
            async with asyncio.timeout(TIMEOUT):
                try:
                    return await self._post(message)
                except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                    # A kept connection whose Janus has restarted since. Every request may be
                    # repeated: what it would do twice counts as success.
                    return await self._post(message)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise self._unavailable(error) from error

    async def _post(self, message: dict[str, Any]) -> dict[str, Any]:
        body = {
            **message,
            "transaction": uuid4().hex,
            "admin_secret": self._keys.admin_secret,
        }
        async with self._session.post(self._machine.admin_url, json=body) as response:
            return wire.parse(await response.read())

    def _unavailable(self, error: Exception, seconds: float = TIMEOUT) -> JanusUnavailable:
        why = f"no answer in {seconds:g} s" if isinstance(error, TimeoutError) else str(error)
        return JanusUnavailable(f"Janus on {self._machine.name} does not answer: {why}")
