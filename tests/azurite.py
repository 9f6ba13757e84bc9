"""Azurite as a child process, with the faults that calendar.md asks for."""

from __future__ import annotations

import ctypes
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

REPO = Path(__file__).parent.parent
SCRIPT = REPO / "local/node_modules/azurite/dist/src/azurite.js"
ACCOUNT = "devstoreaccount1"
# Azurite's published development key: no secret.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
SERVICES = ("blob", "queue", "table")

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


class Azurite:
    """`start()` after `stop()` uses the same ports and folder. Only SIGTERM is used to stop it:
    it writes its disk every 5 s, and SIGKILL loses what it acknowledged since."""

    def __init__(self, *, in_memory: bool = False) -> None:
        """`in_memory` writes no disk: it takes seconds once there are many rows."""
        if not SCRIPT.exists():
            raise RuntimeError("Azurite is not installed: run `npm ci --prefix local`")
        self.folder = tempfile.mkdtemp(prefix="azurite-")
        self._where = ["--inMemoryPersistence"] if in_memory else ["--location", self.folder]
        self.ports = dict(zip(SERVICES, _free_ports(len(SERVICES)), strict=True))
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def connection(self) -> str:
        return self.connection_at(**self.ports)

    def connection_at(self, **ports: int) -> str:
        """The connection string with other ports for some services, say a proxy's."""
        endpoints = "".join(
            f"{name.capitalize()}Endpoint=http://127.0.0.1:{port}/{ACCOUNT};"
            for name, port in {**self.ports, **ports}.items()
        )
        return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};{endpoints}"

    def start(self, seconds: float = 30) -> None:
        """Returns when every service accepts connections."""
        command = ["node", str(SCRIPT), "--silent", "--disableTelemetry", "--skipApiVersionCheck"]
        command += self._where
        for name, port in self.ports.items():
            command += [f"--{name}Host", "127.0.0.1", f"--{name}Port", str(port)]
            # Longer than our clients keep a connection, as in Azure: with its own 5 s it closes
            # connections just when they are used again.
            command += [f"--{name}KeepAliveTimeout", "60"]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
        deadline = time.monotonic() + seconds
        for port in self.ports.values():
            self._wait_for(port, deadline)

    def _wait_for(self, port: int, deadline: float) -> None:
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            assert self._process
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"Azurite did not open port {port}")
            time.sleep(0.02)

    def stop(self) -> None:
        if self._process:
            self.resume()
            self._process.terminate()
            self._process.wait(30)
            self._process = None

    def pause(self) -> None:
        """Hangs it: connections are accepted by the kernel, nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def destroy(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _signal(self, number: int) -> None:
        if self._process and self._process.poll() is None:
            self._process.send_signal(number)


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()
