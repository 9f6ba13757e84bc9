"""The compute port on this computer: each «VM» is a Janus process with its own folder and ports.

Nothing is kept in memory: a worker that reloads, or another one, finds the same machines
(`shared/janus/process.py`). Power changes of one machine wait for each other on a lock file.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import socket
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from shared.fleet.compute import ComputeError, Machine, Power, Progress
from shared.janus import config, process
from shared.janus.keys import vm_keys
from shared.platform.settings import Settings

PORTS_APART = 10
"""From one machine's ports to the next one's: WebSockets, the Admin API, and HTTP for browsers."""

_ADMIN_IP = "127.0.0.1"

_RTP_LOWEST, _RTP_WIDTH, _RTP_RANGES = 10_000, 500, 44
"""UDP ports, all below the ephemeral ones (32768). Janus takes one for each PeerConnection and
passes over a taken one, so systems whose ranges coincide do each other no harm."""


class LocalCompute:
    """`Compute`. There is no STARTING: a process runs at once, and `Janus.ready` says the rest."""

    def __init__(self, settings: Settings, binary: str = "janus") -> None:
        self._settings = settings
        self._binary = binary
        self._root = Path(settings.local_vm_folder).resolve()
        self._names = [f"janus-{n}" for n in range(settings.local_vms)]
        # Stopping takes seconds: it should not keep `machines` waiting for a thread.
        self._power_threads = ThreadPoolExecutor(settings.local_vms, "local-vm")

    async def machines(self, look: Collection[str] | None = None) -> list[Machine]:
        """Looking costs nothing here: the power of all is told."""
        return await asyncio.to_thread(self._machines)

    async def start(self, name: str) -> str:
        return await self._change(name, self._start)

    async def deallocate(self, name: str) -> str:
        """Returns when the process is gone: after 4 s at most, as a rule in less than one."""
        return await self._change(name, self._stop)

    async def restart(self, name: str) -> str:
        return await self._change(name, self._restart)

    async def follow(self, operation: str) -> Progress:
        return "done"

    async def _change(self, name: str, change: Callable[[str], None]) -> str:
        if name not in self._names:
            raise ComputeError("not_found", f"There is no machine {name}")
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._power_threads, partial(self._locked, name, change))
        return ""

    def _locked(self, name: str, change: Callable[[str], None]) -> None:
        try:
            with _lock(self._root / name):
                change(name)
        except (OSError, ValueError) as error:
            raise ComputeError("failed", f"{name}: {error}") from error

    def _machines(self) -> list[Machine]:
        try:
            found = process.running(self._root)
        except OSError as error:
            raise ComputeError("failed", f"Processes can't be listed: {error}") from error
        return [self._machine(name, self._root / name in found) for name in self._names]

    def _machine(self, name: str, alive: bool) -> Machine:
        folder, reason = self._root / name, ""
        record = process.read_record(folder)
        # It may have been started since the processes were listed: that is no crash.
        if alive or (record and process.lives(record)):
            power = Power.DEALLOCATING if record and record.stopping else Power.RUNNING
        elif record and not record.stopping:
            process.reap(folder)
            power = Power.FAILED
            reason = f"Janus ended by itself; {process.last_error(folder)}"
        else:
            power = Power.DEALLOCATED
        host, port = self._settings.local_vm_host, self._ws_port(name)
        return Machine(
            name=name,
            pool=self._settings.pool,
            capacity=self._settings.vm_capacity,
            power=power,
            janus_urls=(f"ws://{host}:{port}", f"http://{host}:{port + 2}/janus"),
            admin_url=f"http://{_ADMIN_IP}:{port + 1}/admin",
            reason=reason,
        )

    def _start(self, name: str) -> None:
        folder = self._root / name
        if folder in process.running(folder):
            record = process.read_record(folder)
            if not (record and record.stopping):
                return
            # Whoever was stopping it died before it was done.
            self._stop(name)
        rendered = self._config(name)
        _check_port(rendered.address, rendered.ws_port)
        _check_port(rendered.admin_ip, rendered.admin_port)
        _check_port(rendered.address, rendered.http_port)
        config.write(rendered)
        try:
            process.spawn(folder, self._binary)
        except FileNotFoundError:
            message = f"{self._binary} is not installed: apt-get install janus"
            raise ComputeError("not_found", message) from None

    def _stop(self, name: str) -> None:
        if not process.stop([self._root / name]):
            raise ComputeError("failed", f"{name} does not end, not even killed")

    def _restart(self, name: str) -> None:
        self._stop(name)
        self._start(name)

    def _config(self, name: str) -> config.JanusConfig:
        port = self._ws_port(name)
        low = _RTP_LOWEST + port // PORTS_APART % _RTP_RANGES * _RTP_WIDTH
        return config.JanusConfig(
            name=name,
            keys=vm_keys(self._settings.janus_key.get_secret_value(), name),
            folder=self._root / name,
            address=socket.gethostbyname(self._settings.local_vm_host),
            ws_port=port,
            admin_ip=_ADMIN_IP,
            admin_port=port + 1,
            http_port=port + 2,
            rtp_ports=(low, low + _RTP_WIDTH - 1),
            events_url=f"{self._settings.public_url}/janus/events",
        )

    def _ws_port(self, name: str) -> int:
        return self._settings.local_vm_port + PORTS_APART * self._names.index(name)


def stop_all(folder: Path) -> None:
    """Ends every Janus whose folder lies under `folder` (`local_vm_folder`), whoever started it.

    Blocks for up to 5 s. Raises `ComputeError` when one does not end.
    """
    if not process.stop(process.folders(folder.resolve())):
        raise ComputeError("failed", f"A Janus under {folder} does not end, not even killed")


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Held by at most one thread of all workers; it goes with its process."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _check_port(address: str, port: int) -> None:
    """Janus would start without the part whose port is taken, and say so only in its log.

    The port of one that was killed a moment ago is still taken, so we look twice.
    """
    try:
        _bind(address, port)
    except ComputeError:
        time.sleep(0.2)
        _bind(address, port)


def _bind(address: str, port: int) -> None:
    with socket.socket() as probe:
        # As Janus binds: connections that are still closing down don't count, listeners do.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                why = f"Port {port} is taken; SUROGA_LOCAL_VM_PORT sets the first of the ports"
            else:
                why = f"Port {port} of {address} can't be opened: {error.strerror}"
            raise ComputeError("allocation_failed", why) from None
