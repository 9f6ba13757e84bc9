"""A child process of `make run`: on a leash, in a group of its own, its output in a log."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Callable
from pathlib import Path

from local.records import write_record

LOG_LIMIT = 20_000_000
LEASH = Path(__file__).with_name("leash.py")


class Child:
    def __init__(
        self, process: Process, record: Path, log: Path, show: Callable[[bytes], None]
    ) -> None:
        self.process = process
        self.record = record
        self.log = log
        self._ended = False
        self._copying = asyncio.create_task(self._copy(show))

    @classmethod
    async def start(
        cls,
        command: list[str],
        *,
        root: Path,
        environment: dict[str, str],
        record: Path,
        log: Path,
        show: Callable[[bytes], None] = lambda line: None,
    ) -> Child:
        """`show` gets each line as it comes; Ctrl-C at the terminal does not reach the child."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), *command),
            cwd=root,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            start_new_session=True,
            limit=1_000_000,
        )
        write_record(record, process.pid)
        return cls(process, record, log, show)

    async def wait(self) -> str:
        """Until it ends; says how: `exit status 1`, `SIGTERM`. Nothing of its group stays."""
        code = await self.process.wait()
        if not self._ended:
            self._ended = True  # once: later the number may belong to somebody else
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.record.unlink(missing_ok=True)
        await asyncio.wait([self._copying], timeout=1)  # what it printed last
        return signal.Signals(-code).name if code < 0 else f"exit status {code}"

    async def stop(self, patience: float, *, ask: bool = True) -> bool:
        """SIGTERM (unless it is known to end already), and SIGKILL after `patience` seconds; says
        whether it ended by itself."""
        if ask:
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

    async def _copy(self, show: Callable[[bytes], None]) -> None:
        stdout = self.process.stdout
        if stdout is None:
            raise RuntimeError("started without a pipe")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab", buffering=0) as log:
            while line := await _line(stdout):
                log.write(line)
                show(line)


async def _line(stream: asyncio.StreamReader) -> bytes:
    try:
        return await stream.readline()
    except ValueError:  # longer than the limit, which asyncio then drops
        return b"(a line over 1 MB was left out)\n"
