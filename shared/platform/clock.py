"""Time comes from here, so that tests never sleep."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The current time, aware, in UTC."""
        ...


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


def iso(moment: datetime) -> str:
    """RFC 3339 in UTC with `Z`; microseconds only when there are any. Not for sorting."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def stamp(moment: datetime) -> str:
    """Like `iso`, always with microseconds: for keys, which sort as text."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@lru_cache(8192)
def parse(text: str) -> datetime:
    """The inverse of `iso`. Each minute the same rows are read, with the same times."""
    return datetime.fromisoformat(text)
