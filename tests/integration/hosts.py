"""Functions hosts as processes that share one storage: what scaling out is in Azure."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp

from shared.platform.auth import LocalTokens
from shared.platform.clock import SystemClock
from tests.tree import ENVIRONMENT, REPO, linked_tree
from tests.world import make_settings

STARTING = 60.0
ENDING = 20.0
AGAIN = 90.0
"""Seconds for which a client comes back when it is asked to."""

SECRETS = {
    "SUROGA_ENCRYPTION_KEYS": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    "SUROGA_LINK_KEY": "l" * 32,
    "SUROGA_JANUS_KEY": "j" * 32,
    "SUROGA_JWT_SECRET": "s" * 32,
}
NOT_OURS = ("fleet_tick", "fleet_wake", "fleet_drill", "bookings_remind", "calendar_sweep")
"""Functions that begin by themselves and have nothing to do with a race; a test may fire them."""

AHEAD = """
import datetime, runpy, sys
from shared.platform import clock
real = clock.SystemClock.now
ahead = datetime.timedelta(seconds=float(sys.argv.pop(1)))
clock.SystemClock.now = lambda self: real(self) + ahead
runpy.run_module("local.host", run_name="__main__", alter_sys=True)
"""


class Host:
    """One process. With `ahead` its clock is wrong by that much."""

    def __init__(self, folder: Path, environment: dict[str, str], ahead: timedelta) -> None:
        self._log = folder / "host.log"
        self.url = ""
        program = ["-c", AHEAD, str(ahead.total_seconds())] if ahead else ["-m", "local.host"]
        command = [sys.executable, *program, "--port", "0", "--state", str(folder / "state")]
        leash = [sys.executable, "-I", str(REPO / "local/leash.py"), str(os.getpid())]
        folder.mkdir()
        with self._log.open("wb") as output:
            self.process = subprocess.Popen(
                [*leash, *command],
                cwd=linked_tree(folder / "tree"),
                env={**ENVIRONMENT, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait_until_it_serves(self) -> None:
        """Until its first answer will be as quick as any other."""
        deadline = time.monotonic() + STARTING
        while not (started := self.events("host.started")):
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.05)
        self.url = f"http://{started[0]['address']}"
        urllib.request.urlopen(f"{self.url}/health", timeout=ENDING).close()  # builds its services

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = (json.loads(line) for line in self.log.splitlines() if line.startswith("{"))
        return [line for line in lines if line["event"] == name]

    def kill(self) -> None:
        """SIGKILL: nothing is finished, nothing is told."""
        self.process.kill()
        self.process.wait(ENDING)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(ENDING)


class Hosts:
    """`count` hosts on one storage, all with the settings given as `SUROGA_...`.

    Without `relays` they take no messages: one that a killed host had taken would come back after
    half a minute.
    """

    def __init__(
        self,
        folder: Path,
        connection: str,
        count: int,
        *,
        relays: bool = True,
        **settings: object,
    ) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        self._environment = {
            "AzureWebJobsStorage": connection,
            "AzureWebJobsDisableHomepage": "true",
            "SUROGA_MODE": "local",
            "SUROGA_PUBLIC_URL": "http://localhost:7071",
            "SUROGA_JWT_ISSUER": "suroga-local",
            "SUROGA_JWT_AUDIENCE": "suroga",
            "SUROGA_LOCAL_VM_FOLDER": str(folder / "vms"),
            "SUROGA_RATE_CALLER": "off",
            "SUROGA_RATE_ADDRESS": "off",
            **SECRETS,
            **{f"AzureWebJobs.{name}.Disabled": "true" for name in NOT_OURS},
            **{f"SUROGA_{name.upper()}": str(value) for name, value in settings.items()},
        }
        self.all = [self._host(timedelta(0), relays) for _ in range(count)]
        self._wait(self.all)

    def add(self, ahead: timedelta) -> Host:
        """One that takes messages too."""
        host = self._host(ahead, relays=True)
        self.all.append(host)
        self._wait([host])
        return host

    def _host(self, ahead: timedelta, relays: bool) -> Host:
        folder = self._folder / f"host-{next(self._numbers)}"
        off = {"AzureWebJobs.outbox_relay.Disabled": "false" if relays else "true"}
        return Host(folder, self._environment | off, ahead)

    def _wait(self, hosts: Iterable[Host]) -> None:
        try:
            for host in hosts:
                host.wait_until_it_serves()
        except BaseException:
            self.stop()
            raise

    @property
    def alive(self) -> list[Host]:
        return [host for host in self.all if host.process.poll() is None]

    def stop(self) -> None:
        for host in self.alive:
            host.process.terminate()
        for host in self.all:
            host.process.wait(ENDING)


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    headers: dict[str, str]

    @property
    def code(self) -> str:
        """Of a problem; empty when it is none."""
        return str(self.body.get("code", "")) if isinstance(self.body, dict) else ""


class Client:
    """Speaks to the hosts as an application does: over connections of its own, and it repeats what
    it is asked to repeat."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._tokens = LocalTokens(make_settings(), SystemClock())

    async def ask(
        self,
        host: Host,
        method: str,
        path: str,
        body: Any = None,
        *,
        user: str = "alice",
        roles: tuple[str, ...] = ("user",),
        **headers: str,
    ) -> Answer:
        """The first answer. Raises `aiohttp.ClientError` when the host dies before it."""
        token = self._tokens.issue(user, "acme", roles)
        async with self._session.request(
            method,
            host.url + path,
            json=body,
            headers={"Authorization": f"Bearer {token}", **headers},
        ) as response:
            raw = await response.read()
            parsed = json.loads(raw) if raw else None
            return Answer(response.status, parsed, dict(response.headers))

    async def persist(self, host: Host, path: str, body: Any, **of: Any) -> Answer:
        """Posts until the answer is not «come back»: a 503 names the time."""
        deadline = time.monotonic() + AGAIN
        while True:
            answer = await self.ask(host, "POST", path, body, **of)
            if answer.status != 503 or time.monotonic() > deadline:
                return answer
            await asyncio.sleep(float(answer.headers["Retry-After"]))

    async def insist(self, host: Host, path: str, body: Any, key: str, **of: Any) -> Answer:
        """The same with an Idempotency-Key: what was done though the answer was lost is found, and
        what may still be under way is waited for."""
        deadline = time.monotonic() + AGAIN
        while True:
            answer = await self.persist(host, path, body, **of, **{"Idempotency-Key": key})
            if answer.code != "idempotency_in_flight" or time.monotonic() > deadline:
                return answer
            await asyncio.sleep(float(answer.headers["Retry-After"]))

    async def fire(self, host: Host, function: str) -> None:
        url = f"{host.url}/admin/functions/{function}"
        async with self._session.post(url, json={"input": ""}) as response:
            assert response.status == 202, f"{function}: {response.status}"
