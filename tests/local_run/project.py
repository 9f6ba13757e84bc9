"""`make run` in a tree of its own, and a stub of the Functions host that makes it quick."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from local.ports import Ports, taken
from tests.tree import ENVIRONMENT

HOST = '''
"""Says that all is well as the real one does, and ends as STUB_HOST says."""
import argparse, http.server, json, os, signal, sys, threading

parser = argparse.ArgumentParser()
for option in ("--root", "--port", "--state"):
    parser.add_argument(option, required=True)
parser.add_argument("--reload", action="store_true")
arguments = parser.parse_args()
behaviour = os.environ.get("STUB_HOST", "")
print(json.dumps({"message": f"public url {os.environ['SUROGA_PUBLIC_URL']}"}), flush=True)
if behaviour == "broken":
    print(json.dumps({"message": "function_app.py does not import"}), flush=True)
    sys.exit(3)

asked = 0
def state():
    global asked
    asked += 1
    print(f"asked for the status {asked} times", flush=True)
    return "Starting" if behaviour == "idle" else "Running"

class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/die":
            os._exit(4)
        said = {"/health": {"status": "ok", "database": "ok", "queue": "ok"}}
        said["/admin/host/status"] = {"state": state()}
        body = json.dumps(said[self.path]).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *ignored):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", int(arguments.port)), Health)
def end(*ignored):
    threading.Thread(target=server.shutdown).start()
signal.signal(signal.SIGTERM, end)
server.serve_forever()
print("the host says goodbye", flush=True)
'''


def free_port() -> int:
    """A PORT with nobody on any of the ports that follow from it. All lie below those that Linux
    hands out for connections: a second start needs them free again."""
    while True:
        ports = Ports.of(random.randrange(10_000, 31_000))
        vms = [ports.janus + offset for offset in (0, 1, 10, 11)]
        if not any(map(taken, (ports.api, *vms, *ports.azurite_ports()))):
            return ports.api


class Running:
    """One `python -m local.run` with its output in a file."""

    def __init__(self, root: Path, port: int, state: str = ".local", **environment: str) -> None:
        self.root, self.port, self.state = root, port, root / state
        self.output = root / f"output-{time.monotonic_ns()}.txt"
        command = [sys.executable, "-m", "local.run", "--port", str(port), "--state", state]
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                cwd=root,
                env={**ENVIRONMENT, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=0,
            )

    @property
    def text(self) -> str:
        return self.output.read_text()

    def wait_for(self, words: str, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while words not in self.text:
            assert self.process.poll() is None, self.text
            assert time.monotonic() < deadline, self.text
            time.sleep(0.05)

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, seconds: float = 60) -> int:
        return self.process.wait(seconds)

    def azurite_pid(self) -> int:
        return int((self.state / "run" / "azurite.pid").read_text().split()[0])


@contextlib.contextmanager
def running(root: Path, port: int, state: str = ".local", **environment: str) -> Iterator[Running]:
    run = Running(root, port, state, **environment)
    try:
        yield run
    finally:
        if run.process.poll() is None:
            run.send(signal.SIGTERM)
        run.wait()


def processes_of(root: Path) -> list[str]:
    """The command lines of whatever runs inside `root`, or names it."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            inside = os.readlink(folder / "cwd").startswith(str(root))
            if line and (inside or str(root) in line):
                found.append(line)
    return found


def eventually_none(root: Path, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while found := processes_of(root):
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
