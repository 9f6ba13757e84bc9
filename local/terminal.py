"""What the person at the terminal reads. Stdout belongs to results, everything else is stderr."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import NoReturn, TextIO


class Stop(Exception):
    """One clear sentence for the person; the command ends with exit status 1, no traceback."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def end_with(main: Callable[[], int]) -> NoReturn:
    """Runs `main` as a command and ends the process."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        status = main()
    except Stop as stop:
        say(str(stop))
        status = 1
    except OSError as error:  # a folder that cannot be written, a full disk
        if not error.filename:
            raise
        say(f"{error.filename}: {error.strerror}.")
        status = 1
    except KeyboardInterrupt:
        say("Interrupted.")
        status = 130
    sys.exit(status)


def _terminated(signum: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + signum)  # as an exception, so that children are ended on the way out


class Progress:
    """A slow step: a spinner on a terminal, elsewhere a line every few seconds."""

    EVERY = 5.0
    FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"

    def __init__(self, title: str, stream: TextIO | None = None) -> None:
        self.title = title
        self.stream = stream or sys.stderr
        self.live = self.stream.isatty()
        self.started = self.printed = time.monotonic()
        self.ticks = 0
        if not self.live:
            self._line(f"{title} …")

    def tick(self, detail: str = "") -> None:
        """Call this several times a second while the step lasts."""
        now = time.monotonic()
        self.ticks += 1
        if self.live:
            frame = self.FRAMES[self.ticks % len(self.FRAMES)]
            self._over(f"{frame} {self.title} ({now - self.started:.0f} s) {detail}"[:99])
        elif now - self.printed >= self.EVERY:
            self.printed = now
            self._line(f"  … {now - self.started:.0f} s {detail}"[:99].rstrip())

    def done(self, mark: str = "✓") -> None:
        if self.live:
            self._over(f"{mark} {self.title} ({time.monotonic() - self.started:.0f} s)\n")
        else:
            self._line(f"  {mark} {time.monotonic() - self.started:.0f} s")

    def _line(self, text: str) -> None:
        print(text, file=self.stream, flush=True)

    def _over(self, text: str) -> None:
        print(f"\r\x1b[2K{text}", end="", file=self.stream, flush=True)
