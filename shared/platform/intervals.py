"""Half-open intervals of time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol


class Interval(Protocol):
    @property
    def start(self) -> datetime: ...
    @property
    def end(self) -> datetime: ...


def peak(intervals: Iterable[Interval], start: datetime, end: datetime) -> int:
    """The most intervals that hold at one moment of [start, end)."""
    inside = [one for one in intervals if one.start < end and start < one.end]
    moments = {max(one.start, start) for one in inside}
    return max((sum(one.start <= at < one.end for one in inside) for at in moments), default=0)
