"""`--reload`: a parent that keeps the listening socket, and a child that is the host.

While the child restarts, or waits for its import to be mended, connections wait in the socket's
backlog instead of being refused.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from watchfiles import Change, awatch

from local.terminal import say

LEASH = Path(__file__).parent.parent / "leash.py"
IGNORED = frozenset(
    {".venv", "node_modules", ".local", ".test", "tests", "web", "__pycache__", ".git"}
)
STOP_SECONDS = 12.0


def reload(root: Path, listening: socket.socket, arguments: list[str]) -> int:
    """`arguments` are those of this command; the child gets them without `--reload`."""
    command = [sys.executable, "-m", "local.host", *(a for a in arguments if a != "--reload")]
    command += ["--socket", str(listening.fileno())]
    return asyncio.run(Reloader(root, listening, command).run())


class Reloader:
    def __init__(self, root: Path, listening: socket.socket, command: list[str]) -> None:
        self._root = root
        self._socket = listening
        self._command = command
        self._changed = asyncio.Event()
        self._ending = asyncio.Event()

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ending.set)
        watching = asyncio.create_task(self._watch())
        while not self._ending.is_set():
            self._changed.clear()
            child = await self._start()
            ended = asyncio.create_task(child.wait())
            await self._first(ended)
            if ended.done() and not self._ending.is_set() and not self._changed.is_set():
                say(f"The host ended (exit status {child.returncode}): waiting for a change.")
                await self._first()
            await _stop(child)
            await ended
        with suppress(Exception):
            await watching  # watchfiles ends by itself when asked so, not when cancelled
        return 0

    async def _first(self, *more: asyncio.Task[int]) -> None:
        """Until a change, the end, or one of `more`."""
        waits = [asyncio.create_task(e.wait()) for e in (self._changed, self._ending)]
        await asyncio.wait([*waits, *more], return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)

    async def _start(self) -> Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), *self._command),
            pass_fds=[self._socket.fileno()],
        )

    async def _watch(self) -> None:
        """Each folder by itself: a recursive watch would take one of each in node_modules too."""
        while not self._ending.is_set():
            async for changes in awatch(
                *folders(self._root),
                watch_filter=wanted,
                recursive=False,
                stop_event=self._ending,
                step=100,
            ):
                files = sorted(python_files(changes))
                if files:
                    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
                    say(f"{files[0].name}{more} changed: restarting.")
                    self._changed.set()
                if any(not path.endswith(".py") for _, path in changes):
                    break  # a new folder is to be watched as well


def python_files(changes: Iterable[tuple[Change, str]]) -> Iterator[Path]:
    """Those that changed, and those that were in a new folder before it was watched."""
    for _, path in changes:
        if path.endswith(".py"):
            yield Path(path)
        else:
            yield from (file for each in folders(Path(path)) for file in each.glob("*.py"))


def folders(root: Path) -> Iterator[Path]:
    for folder, below, _ in os.walk(root):
        below[:] = [name for name in below if name not in IGNORED]
        yield Path(folder)


def wanted(change: Change, path: str) -> bool:
    name = os.path.basename(path)
    if name in IGNORED:
        return False
    return name.endswith(".py") or (change == Change.added and os.path.isdir(path))


async def _stop(child: Process) -> None:
    with suppress(ProcessLookupError):
        child.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await child.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()
