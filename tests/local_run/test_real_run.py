"""The real thing: Azurite, the local Functions host, a Janus, through one `make run`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.ports import Ports, taken
from tests.local_run.project import eventually_none, free_port, running
from tests.tree import ENVIRONMENT, linked_tree


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Path]:
    root = linked_tree(tmp_path / "tree")
    yield root
    eventually_none(root)


class Api:
    def __init__(self, root: Path, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "local.token", "--port", str(port)]
        token = subprocess.run(
            command, cwd=root, env=ENVIRONMENT, capture_output=True, text=True, check=True
        ).stdout.strip()
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.base + path, data, self.headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                status, text = response.status, response.read()
        except urllib.error.HTTPError as error:
            with error:
                status, text = error.code, error.read()
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text.decode()

    def until(self, wanted: int, method: str, path: str, body: Any = None) -> Any:
        """Repeats the request until it has that status."""
        deadline = time.monotonic() + 60
        while True:
            status, answer = self.call(method, path, body)
            if status == wanted:
                return answer
            assert time.monotonic() < deadline, (status, answer)
            time.sleep(0.2)

    def book(self, minutes_ahead: float = 0) -> Any:
        start = datetime.now(UTC) + timedelta(minutes=minutes_ahead, seconds=2)
        end = start + timedelta(minutes=30)
        body = {"start_time": start.isoformat(), "end_time": end.isoformat()}
        return self.until(201, "POST", "/api/v1/bookings", body)


def test_a_call_can_be_joined_and_everything_ends_with_it(tree: Path) -> None:
    port = free_port()
    with running(tree, port, state="data") as run:
        run.wait_for("ready: http")
        api = Api(tree, port)
        for page in ("/", "/docs", "/openapi.json", "/health", "/health/"):
            assert api.call("GET", page)[0] == 200, page
        booking = api.book()
        assert booking["invite_url"].startswith(f"http://localhost:{port}/call#invite=")
        ticket = api.until(
            200, "POST", f"/api/v1/bookings/{booking['booking_id']}/join", {"nonce": "tab-0001"}
        )
        assert ticket["janus_url"] == f"ws://127.0.0.1:{Ports.of(port).janus}"
        assert ticket["janus_urls"][1] == f"http://127.0.0.1:{Ports.of(port).janus + 2}/janus"
        assert taken(Ports.of(port).janus)
        assert taken(Ports.of(port).janus + 2)
        run.send(signal.SIGINT)
        assert run.wait() == 0
    eventually_none(tree, 0)
    assert not taken(Ports.of(port).janus)
    assert "Traceback" not in run.text


def test_health_is_down_in_time_while_azurite_hangs(tree: Path) -> None:
    with running(tree, free_port()) as run:
        run.wait_for("ready: http")
        api = Api(tree, run.port)
        os.kill(run.azurite_pid(), signal.SIGSTOP)
        try:
            for path in ("/health", "/health/"):
                began = time.monotonic()
                status, answer = api.call("GET", path)
                assert (status, answer["status"]) == (503, "down")
                assert time.monotonic() - began < 3, path
        finally:
            os.kill(run.azurite_pid(), signal.SIGCONT)
        assert api.until(200, "GET", "/health")["status"] == "ok"


def test_nothing_is_lost_when_azurite_is_ended_or_all_of_it_killed(tree: Path) -> None:
    port = free_port()
    with running(tree, port) as run:
        run.wait_for("ready: http")
        api = Api(tree, port)
        first = api.book(60 * 24)
        os.kill(run.azurite_pid(), signal.SIGTERM)
        run.wait_for("Azurite (storage) is back.")
        second = api.book(60 * 48)
        run.send(signal.SIGKILL)
        run.wait()
    with running(tree, port) as again:
        again.wait_for("ready: http")
        for booking in (first, second):
            api.until(200, "GET", f"/api/v1/bookings/{booking['booking_id']}")
    for each in (run, again):
        assert each.text.count("Azurite (storage) ended") == (each is run)
        assert "Traceback" not in each.text
