"""The running product, started as a person starts it: `python -m local.run`, in a linked tree."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local.ports import Ports, taken
from tests.tree import ENVIRONMENT, linked_tree

PLENTY = {"SUROGA_RATE_CALLER": "100000/minute", "SUROGA_RATE_ADDRESS": "100000/minute"}
"""A test asks more than a person does, and all of it comes from one address."""


class System:
    """`log` is what it printed; `events(name)` its structured lines of one kind.

    It sees no settings but the example's and those of `environment`.
    """

    def __init__(self, state: Path, **environment: str) -> None:
        self.state = state
        self.tree = state / "tree"
        self.port = _free_port()
        self.url = f"http://localhost:{self.port}"
        self.output = state / "output.log"
        self._environment = {**PLENTY, **environment}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, seconds: float = 90) -> None:
        self.state.mkdir(parents=True, exist_ok=True)
        if not self.tree.exists():
            linked_tree(self.tree)
        command = [sys.executable, "-m", "local.run", "--port", str(self.port)]
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                [*command, "--state", str(self.state)],
                cwd=self.tree,
                env={**ENVIRONMENT, **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            until(lambda: f"ready: {self.url}" in self.log or self._ended(), seconds)
            assert not self._ended(), self.log
        except BaseException:
            self.stop()
            raise

    def stop(self) -> int:
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGTERM)
        status = self._process.wait(60)
        self._process = None
        return status

    def _ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    @property
    def log(self) -> str:
        return self.output.read_text(errors="replace") if self.output.exists() else ""

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = (line for line in self.log.splitlines() if line.startswith("{"))
        return [found for line in lines if (found := json.loads(line)).get("event") == name]

    def janus(self) -> list[int]:
        """The processes of this system's machines."""
        found = []
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[0].endswith(b"janus") and str(self.state).encode() in b" ".join(words):
                found.append(int(folder.name))
        return found

    def request(self, method: str, path: str, body: Any = None, token: str = "") -> tuple[int, Any]:
        request = urllib.request.Request(self.url + path, method=method)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=20) as response:
                return response.status, _json(response.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, _json(error.read())

    def fetch(self, path: str, token: str) -> str:
        """What is no JSON."""
        request = urllib.request.Request(self.url + path)
        request.add_header("Authorization", f"Bearer {token}")
        with urllib.request.urlopen(request, timeout=20) as response:
            return str(response.read().decode())

    async def ask(
        self, method: str, path: str, body: Any = None, token: str = ""
    ) -> tuple[int, Any]:
        return await asyncio.to_thread(self.request, method, path, body, token)

    async def tick(self) -> None:
        """What the timer does each minute."""
        await self.ask("POST", "/admin/functions/fleet_tick", {"input": ""})


def _json(raw: bytes) -> Any:
    return json.loads(raw) if raw else None


def until(condition: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)


async def eventually(condition: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        await asyncio.sleep(0.1)


def _free_port() -> int:
    """Away from where Linux hands out ports, with its neighbours free too."""
    for _ in range(200):
        port = random.randrange(8100, 9700, 50)
        ports = Ports.of(port)
        wanted = [port, *ports.azurite_ports(), *range(ports.janus, ports.janus + 20)]
        if not any(taken(p) for p in wanted):
            return port
    raise AssertionError("no free port")
