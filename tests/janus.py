"""A real Janus for tests, run as `make run` runs it, and callers that join it without media.

async with LocalVms() as vms:
    machine = await vms.running("janus-0")   # ready
    janus = vms.janus(machine)
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import socket
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import aiohttp

from shared.fleet.compute import Machine
from shared.fleet.compute_local import LocalCompute
from shared.janus import process
from shared.janus.client import JanusClients
from shared.janus.keys import vm_keys
from shared.janus.port import Janus, JanusError
from shared.janus.tokens import VIDEOROOM, room_token, session_token
from shared.platform.clock import SystemClock
from shared.platform.settings import Settings

JANUS_KEY = "a janus key of tests, 40 characters long"
HOUR = timedelta(hours=1)


def free_ports(machines: int = 2) -> int:
    """A `local_vm_port` for so many machines, below the ephemeral ports."""
    while True:
        first = random.randrange(18_000, 31_000, 10)
        if all(_free(first + 10 * n + k) for n in range(machines) for k in (0, 1, 2)):
            return first


def local_settings(folder: Path, **changes: Any) -> Settings:
    values: dict[str, Any] = {
        "mode": "local",
        "public_url": "http://127.0.0.1:9",
        "AzureWebJobsStorage": "UseDevelopmentStorage=true",
        "encryption_keys": "A" * 43 + "=",
        "link_key": "L" * 40,
        "janus_key": JANUS_KEY,
        "jwt_secret": "J" * 40,
        "jwt_issuer": "tests",
        "jwt_audience": "tests",
        "local_vm_folder": str(folder),
        "local_vms": 2,
    }
    return Settings(**{**values, **changes})


async def until_ready(janus: Janus, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            await janus.ready()
        except JanusError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.01)
        else:
            return


class LocalVms:
    """Two local machines on free ports. Leaving kills every Janus, hung ones too."""

    def __init__(self, folder_name: str = "vms", **settings: Any) -> None:
        self._temporary = Path(tempfile.mkdtemp(prefix="janus-")).resolve()
        self.folder = self._temporary / folder_name
        changes = {"local_vm_port": free_ports(), **settings}
        self.settings = local_settings(self.folder, **changes)
        self.compute = LocalCompute(self.settings)
        self.clock = SystemClock()
        self._http: aiohttp.ClientSession | None = None
        self._callers: list[Caller] = []

    @property
    def http(self) -> aiohttp.ClientSession:
        self._http = self._http or aiohttp.ClientSession()
        return self._http

    def janus(self, machine: Machine) -> Janus:
        key = self.settings.janus_key.get_secret_value()
        return JanusClients(self.http, key, self.clock)(machine)

    async def machine(self, name: str) -> Machine:
        return next(m for m in await self.compute.machines() if m.name == name)

    async def running(self, name: str, seconds: float = 10) -> Machine:
        """Starts it and returns when Janus is ready."""
        await self.compute.start(name)
        machine = await self.machine(name)
        await until_ready(self.janus(machine), seconds)
        return machine

    def pids(self, name: str) -> list[int]:
        return process.running(self.folder).get(self.folder / name, [])

    def signal(self, name: str, number: signal.Signals) -> None:
        """SIGSTOP for a Janus that hangs, SIGKILL for one that crashes."""
        for pid in self.pids(name):
            os.kill(pid, number)

    async def caller(self, machine: Machine) -> Caller:
        """A browser with a good session token, its handle attached."""
        keys = vm_keys(self.settings.janus_key.get_secret_value(), machine.name)
        expires = self.clock.now() + HOUR
        caller = Caller(self.http, machine, session_token(keys.token_secret, expires))
        self._callers.append(caller)
        await caller.open()
        return caller

    def room_token(self, machine: Machine, room_id: int, valid: timedelta = HOUR) -> str:
        keys = vm_keys(self.settings.janus_key.get_secret_value(), machine.name)
        return room_token(keys.token_secret, room_id, self.clock.now() + valid)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        process.stop(process.folders(self.folder), grace=0)
        shutil.rmtree(self._temporary, ignore_errors=True)
        for caller in self._callers:
            await caller.close()
        if self._http:
            await self._http.close()


class Caller:
    """A participant over a WebSocket, as janus.js speaks, but without media."""

    def __init__(self, http: aiohttp.ClientSession, machine: Machine, token: str) -> None:
        self._http = http
        self._machine = machine
        self._token = token
        self._ids: dict[str, int] = {}
        self._socket: aiohttp.ClientWebSocketResponse | None = None

    async def open(self) -> None:
        """Raises `JanusError` when the token opens no session."""
        self._socket = await self._http.ws_connect(
            self._machine.janus_url,
            protocols=("janus-protocol",),
            timeout=aiohttp.ClientWSTimeout(ws_close=1),
        )
        self._ids["session_id"] = (await self.ask({"janus": "create"}))["data"]["id"]
        answer = await self.ask({"janus": "attach", "plugin": VIDEOROOM})
        self._ids["handle_id"] = answer["data"]["id"]

    async def join(
        self, room_id: int, pin: str, token: str, participant_id: int, display: str = "Ana"
    ) -> None:
        """As a publisher. Raises `JanusError` with the plugin's code."""
        body = {"request": "join", "ptype": "publisher", "room": room_id, "id": participant_id}
        await self.message({**body, "pin": pin, "token": token, "display": display})

    async def leave(self) -> None:
        await self.message({"request": "leave"})

    async def message(self, body: dict[str, Any]) -> dict[str, Any]:
        answer = await self.ask({"janus": "message", "body": body})
        data: dict[str, Any] = answer["plugindata"]["data"]
        if "error_code" in data:
            raise JanusError(data["error"], data["error_code"])
        return data

    async def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request; for what Janus acknowledges first, the event after it."""
        assert self._socket
        transaction = uuid4().hex
        request = {**message, **self._ids, "transaction": transaction, "token": self._token}
        await self._socket.send_json(request)
        while True:
            async with asyncio.timeout(5):
                answer: dict[str, Any] = await self._socket.receive_json()
            if answer["janus"] == "error":
                raise JanusError(answer["error"]["reason"], answer["error"]["code"])
            if answer.get("transaction") == transaction and answer["janus"] != "ack":
                return answer

    async def hears(self, what: str, seconds: float = 5) -> dict[str, Any]:
        """The next event whose plugin data has the key `what`."""
        assert self._socket
        async with asyncio.timeout(seconds):
            while True:
                event: dict[str, Any] = await self._socket.receive_json()
                data: dict[str, Any] = event.get("plugindata", {}).get("data", {})
                if what in data:
                    return data

    async def close(self) -> None:
        """The browser is closed."""
        if self._socket:
            await self._socket.close()


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
