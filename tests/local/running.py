"""The local host as a process, serving a copy of the subject."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

REPO = Path(__file__).parent.parent.parent
SUBJECT = Path(__file__).parent / "subject"
PATIENCE = 20.0

T = TypeVar("T")


def eventually(probe: Callable[[], T | None], what: str = "it") -> T:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := probe():
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what} did not happen in {PATIENCE:.0f} s")


def make_subject(folder: Path, **local: Any) -> Path:
    """A copy of the subject in `folder/app`; `local` is put into its local.settings.json."""
    root = folder / "app"
    shutil.copytree(SUBJECT, root, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "out").mkdir()
    values = {
        "SUBJECT_OUT": str(folder / "out"),
        "SUBJECT_SCHEDULE": "0 0 0 1 1 *",
        "SUBJECT_SETTING": "from the file",
        "SUBJECT_QUEUES": "UseDevelopmentStorage=true",
        "AzureWebJobs.off.Disabled": "1",
        "AzureWebJobs.handle.Disabled": "true",
        "AzureWebJobsDisableHomepage": "true",
        **local.pop("Values", {}),
    }
    (root / "local.settings.json").write_text(json.dumps({"Values": values, **local}))
    return root


@dataclass
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(found) < 2, found
        return found[0] if found else None

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Running:
    """`with Running(root) as host:`; what it prints is in `host.lines`."""

    def __init__(self, root: Path, *flags: str, port: int = 0, **environment: str) -> None:
        self.root = root
        self.out = root.parent / "out"
        self.state = root.parent / "state"
        command = [sys.executable, "-m", "local.host", "--root", str(root), "--port", str(port)]
        self.process = subprocess.Popen(
            [*command, "--state", str(self.state), *flags],
            cwd=REPO,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        self.lines.extend(iter(self.process.stdout.readline, ""))  # grows as lines come

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.wait()

    def wait(self) -> int:
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        if self.process.stdout:
            self.process.stdout.close()
        return code

    def stop(self) -> int:
        self.process.terminate()
        return self.wait()

    def events(self, name: str) -> list[dict[str, Any]]:
        parsed = [json.loads(line) for line in list(self.lines) if line.startswith("{")]
        return [line for line in parsed if line["event"] == name]

    def event(self, name: str, **fields: Any) -> dict[str, Any]:
        """Waits for the line of that name with these fields."""

        def probe() -> dict[str, Any] | None:
            ended = self.process.poll() is not None
            for line in self.events(name):
                if fields.items() <= line.items():
                    return line
            assert not ended, self.lines
            return None

        return eventually(probe, f"{name} {fields}")

    @property
    def port(self) -> int:
        return int(self.event("host.started")["address"].rpartition(":")[2])

    def ask(
        self,
        path: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, response.getheaders(), response.read())
        finally:
            connection.close()

    def fire(self, name: str, wanted: str = "") -> Answer:
        body = json.dumps({"input": wanted}).encode()
        json_headers = {"Content-Type": "application/json"}
        return self.ask(f"/admin/functions/{name}", "POST", body, json_headers)

    def told(self, name: str) -> Any:
        """What the subject told; once."""
        file = self.out / name
        eventually(file.exists, name)
        told = json.loads(file.read_text())
        file.unlink()
        return told
