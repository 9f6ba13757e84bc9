"""A child process of `make run`: on a leash, in a group of its own, its output in a log.

It writes into the file itself, and we read along: a pipe would break when we are killed, and
Azurite would fail at its farewell before it has saved.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from local.records import write_record

LOG_LIMIT = 20_000_000
LOOK_SECONDS = 0.05
LEASH = Path(__file__).with_name("leash.py")


Show = Callable[[bytes], None]


class Child:
    def __init__(self, process: Process, record: Path, log: Path, since: int, show: Show) -> None:
        self.process = process
        self.record = record
        self._ended = False
        self._reading = asyncio.create_task(self._read(log, since, show))

    @classmethod
    async def start(
        cls,
        command: list[str],
        *,
        root: Path,
        environment: dict[str, str],
        record: Path,
        log: Path,
        show: Show = lambda line: None,
    ) -> Child:
        """`show` gets each line as it comes; Ctrl-C at the terminal does not reach the child."""
        with _append_to(log) as output:
            since = output.tell()
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), *command),
                cwd=root,
                env=environment,
                stdin=DEVNULL,
                stdout=output,
                stderr=STDOUT,
                start_new_session=True,
            )
        write_record(record, process.pid)
        return cls(process, record, log, since, show)

    async def wait(self) -> str:
        """Until it ends; says how: `exit status 1`, `SIGTERM`. Nothing of its group stays."""
        code = await self.process.wait()
        if not self._ended:
            self._ended = True  # once: later the number may belong to somebody else
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.record.unlink(missing_ok=True)
        await asyncio.wait([self._reading])  # what it printed last
        return signal.Signals(-code).name if code < 0 else f"exit status {code}"

    async def stop(self, patience: float) -> bool:
        """SIGTERM, and SIGKILL after `patience` seconds; says whether it ended by itself."""
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        try:
            async with asyncio.timeout(patience):
                await self.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.wait()
            return False
        return True

    async def _read(self, log: Path, since: int, show: Show) -> None:
        line = b""
        with log.open("rb") as file:
            file.seek(since)
            while True:
                over = self._ended  # asked before reading, so that nothing is missed
                while part := file.readline():
                    line += part
                    if line.endswith(b"\n"):
                        show(line)
                        line = b""
                if over:
                    break
                await asyncio.sleep(LOOK_SECONDS)
        if line:
            show(line + b"\n")


def _append_to(log: Path) -> BinaryIO:
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_suffix(".log.1"))
    return log.open("ab")
