"""Says whether a step of the setup is up to date: a hash of its inputs beside its output."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path


def digest(files: Iterable[Path], *also: str) -> str:
    """Of the files' names and contents and the other strings, in the order given."""
    total = hashlib.sha256()
    for file in files:
        total.update(f"\0{file}\0".encode())
        total.update(file.read_bytes())
    for text in also:
        total.update(f"\0{text}".encode())
    return total.hexdigest()


class Stamp:
    """`fresh` is true only after `write` with the same digest: a failed step is done again."""

    def __init__(self, path: Path, wanted: str) -> None:
        self.path = path
        self.wanted = wanted

    @property
    def fresh(self) -> bool:
        try:
            return self.path.read_text() == self.wanted
        except OSError:
            return False

    def write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(self.wanted)
