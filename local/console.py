"""Copies lines to the terminal and never waits for it.

A person may pause the terminal and a script may stop reading the pipe. Whoever waited for them
would stall the host, and with it the whole system; the log files have every line anyway.
"""

from __future__ import annotations

import os
import queue
import threading
import time

STDOUT, STDERR = 1, 2


class Console:
    def __init__(self, waiting_lines: int = 10_000) -> None:
        self._lines: queue.Queue[tuple[int, bytes]] = queue.Queue(waiting_lines)
        self._unwritten = 0
        self._lock = threading.Lock()
        threading.Thread(target=self._write_all, name="console", daemon=True).start()

    def write(self, line: bytes, to: int = STDOUT) -> None:
        """Drops the line when too many wait."""
        with self._lock:
            self._unwritten += 1
        try:
            self._lines.put_nowait((to, line))
        except queue.Full:
            self._written()

    def say(self, text: str, to: int = STDOUT) -> None:
        self.write(f"{text}\n".encode(), to)

    def flush(self, seconds: float = 2.0) -> None:
        """Waits until all is written, for so long at most."""
        deadline = time.monotonic() + seconds
        while self._unwritten and time.monotonic() < deadline:
            time.sleep(0.01)

    def _write_all(self) -> None:
        while True:
            to, line = self._lines.get()
            while line:
                try:
                    line = line[os.write(to, line) :]
                except BlockingIOError:  # some program made the terminal non-blocking
                    time.sleep(0.01)
                except OSError:  # the terminal is gone: there is nobody to tell
                    break
            self._written()

    def _written(self) -> None:
        with self._lock:
            self._unwritten -= 1
