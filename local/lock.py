"""File locks: they end with the process that holds them, however it ends."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from local.terminal import say


@contextmanager
def exclusive(path: Path, waiting: str) -> Iterator[None]:
    """Waits for its turn, and says so when there is somebody else."""
    with _open(path) as file:
        if not _take(file):
            say(waiting)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Held(Exception):
    """Somebody else holds the lock; `note` is what they wrote into it."""

    def __init__(self, note: str) -> None:
        super().__init__(note)
        self.note = note


@contextmanager
def hold(path: Path, note: str) -> Iterator[None]:
    """Holds the lock with a note for others to read, or raises `Held` at once."""
    with _open(path) as file:
        if not _take(file):
            raise Held(file.read())
        file.truncate(0)
        file.write(note)
        file.flush()
        yield


def _open(path: Path) -> TextIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a+", encoding="utf-8")
    file.seek(0)
    return file


def _take(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
