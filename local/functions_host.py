"""The local Functions host (`local/host/`) as a child process of `make run`."""

from __future__ import annotations

import asyncio
import http.client
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.child import Child
from local.console import Console
from local.steps import tail
from local.terminal import Stop

if TYPE_CHECKING:
    from local.plan import Plan

READY_SECONDS = 60.0
STOP_SECONDS = 20.0
POLL_SECONDS = 0.1
TOLD = ("event", "message", "reason", "error")


class FunctionsHost:
    def __init__(self, plan: Plan, console: Console) -> None:
        self.plan = plan
        self.console = console
        self.log = plan.state / "log" / "host.log"
        self._child: Child | None = None
        self._ended: asyncio.Task[str] | None = None

    @staticmethod
    def record(state: Path) -> Path:
        return state / "run" / "host.pid"

    async def start(self) -> None:
        plan = self.plan
        command = [sys.executable, "-m", "local.host", "--root", ".", "--port", str(plan.ports.api)]
        command += ["--state", str(plan.state / "host"), *(["--reload"] if plan.reload else [])]
        self._child = await Child.start(
            command,
            root=plan.root,
            environment=plan.environment,
            record=self.record(plan.state),
            log=self.log,
            show=self.console.write,
        )
        self._ended = asyncio.create_task(self._child.wait())

    async def ready(self) -> None:
        """Returns when the host's timers and queues run, and /health says that the database and the
        queue are fine."""
        if not self._ended:
            raise RuntimeError("not started")
        answer: dict[str, Any] = {}
        try:
            async with asyncio.timeout(READY_SECONDS):
                while not _fine(answer):
                    if self._ended.done():
                        raise Stop(
                            f"The Functions host ended ({self._ended.result()}) before it was"
                            f" ready: {_last_words(self.log)} Its log is {self.log}"
                        )
                    await asyncio.sleep(POLL_SECONDS)
                    answer = await asyncio.to_thread(_state, self.plan.ports.api)
        except TimeoutError:
            said = json.dumps(answer) if answer else "no answer"
            raise Stop(
                f"The system was not ready after {READY_SECONDS:.0f} s ({said});"
                f" its log is {self.log}"
            ) from None

    async def wait(self) -> str:
        """Until it ends; says how."""
        if not self._ended:
            raise RuntimeError("not started")
        return await asyncio.shield(self._ended)

    async def stop(self) -> bool:
        """Says whether it ended by itself."""
        return await self._child.stop(STOP_SECONDS) if self._child else True


def _state(port: int) -> dict[str, Any]:
    """What the host says of itself, and the app of its storage."""
    return _ask(port, "/admin/host/status") | _ask(port, "/health")


def _ask(port: int, path: str) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)  # heeds no proxy
    try:
        connection.request("GET", path)
        body = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return {}
    finally:
        connection.close()
    return body if isinstance(body, dict) else {}


def _fine(answer: dict[str, Any]) -> bool:
    wanted = {"state": "Running", "database": "ok", "queue": "ok"}
    return wanted.items() <= answer.items()


def _last_words(log: Path) -> str:
    """What its last line says: the fields of our JSON lines that are meant for people, or the line
    as it is when Python itself failed."""
    lines = tail(log, 1)
    if not lines:
        return "it printed nothing."
    try:
        fields = dict(json.loads(lines[0]))
        parts = [str(fields[name]) for name in TOLD if fields.get(name)]
    except (ValueError, TypeError):
        parts = []
    words = ": ".join(parts) or lines[0]
    return words if words.endswith(".") else f"{words}."
