"""From the ledger to shares of time and money. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from shared.fleet.ledger import Carriage, Stretch
from shared.reports.periods import seconds
from shared.reports.split import Carried, Piece, split

NOBODY = 0
"""In the place of a booking's id: the platform's own share."""


@dataclass(frozen=True, slots=True)
class Priced:
    """A part of a run at one price an hour."""

    start: int
    end: int
    price: str


@dataclass(frozen=True, slots=True)
class Run:
    """A machine was on from the first part's start to the last one's end without a break."""

    vm: str
    region: str
    parts: Sequence[Priced]

    @property
    def start(self) -> int:
        return self.parts[0].start

    @property
    def end(self) -> int:
        return self.parts[-1].end


@dataclass(frozen=True, slots=True)
class Share:
    """What one booking (or NOBODY) takes of a machine, at this price an hour."""

    vm: str
    region: str
    booking_id: int
    seconds: int
    price: str


def runs(stretches: Iterable[Stretch]) -> list[Run]:
    """By machine and time. Stretches that follow each other without a break are one run; should two
    overlap, because one was closed while it was read, no second counts twice."""
    found: list[Run] = []
    by_vm: dict[str, list[Stretch]] = defaultdict(list)
    for stretch in stretches:
        by_vm[stretch.vm].append(stretch)
    for vm in sorted(by_vm):
        ordered = sorted(by_vm[vm], key=lambda s: (s.start, s.end))
        parts: list[Priced] = []
        for stretch in ordered:
            start, end = seconds(stretch.start), seconds(stretch.end)
            if parts and start > parts[-1].end:
                found.append(Run(vm, ordered[-1].region, parts))
                parts = []
            start = max(start, parts[-1].end) if parts else start
            if start < end:
                parts.append(Priced(start, end, stretch.price))
        if parts:
            found.append(Run(vm, ordered[-1].region, parts))
    return found


class Book:
    """The runs with the pieces into which their bookings split them."""

    def __init__(self, found: Sequence[Run], carriages: Iterable[Carriage], lead: int) -> None:
        by_vm: dict[str, list[Run]] = defaultdict(list)
        for run in found:
            by_vm[run.vm].append(run)
        carried: dict[str, list[Carried]] = defaultdict(list)
        for one in carriages:
            start = seconds(one.start)
            carried[one.vm].append(Carried(one.booking_id, start, max(start, seconds(one.end))))
        self._split = [
            (run, split(run.start, run.end, mine, lead))
            for vm, of_vm in by_vm.items()
            for run, mine in _assigned(of_vm, carried[vm], lead)
        ]

    def shares(self, since: int, until: int) -> Iterator[Share]:
        """Of [since, until); several of one booking. Their seconds are the machines' on-time."""
        for run, pieces in self._split:
            if run.start < until and since < run.end:
                yield from _shares(run, pieces, max(since, run.start), min(until, run.end))


def _assigned(
    of_vm: Sequence[Run], carried: Iterable[Carried], lead: int
) -> list[tuple[Run, list[Carried]]]:
    """Each run with what it carried. A booking that was cancelled before it began counts for the
    first run that may have been for it: its machine may have been off again before its start."""
    found: list[tuple[Run, list[Carried]]] = [(run, []) for run in of_vm]
    starts, ends = [run.start for run in of_vm], [run.end for run in of_vm]
    for one in carried:
        if one.start < one.end:
            inside = range(bisect_right(ends, one.start), bisect_left(starts, one.end))
        else:
            first = bisect_left(ends, one.start - lead)
            inside = range(first, min(first + 1, bisect_right(starts, one.start)))
        for n in inside:
            found[n][1].append(one)
    return found


def _shares(run: Run, pieces: Sequence[Piece], since: int, until: int) -> Iterator[Share]:
    part = 0
    for piece in pieces[max(0, bisect_right(pieces, since, key=lambda p: p.start) - 1) :]:
        if piece.start >= until:
            return
        while part < len(run.parts) and run.parts[part].end <= max(since, piece.start):
            part += 1
        for priced in run.parts[part:]:
            start = max(since, piece.start, priced.start)
            end = min(until, piece.end, priced.end)
            if start >= end:
                break
            for booking_id, took in _takers(piece, start, end):
                yield Share(run.vm, run.region, booking_id, took, priced.price)


def _takers(piece: Piece, start: int, end: int) -> Iterable[tuple[int, int]]:
    return piece.shares(start, end) if piece.takers else [(NOBODY, end - start)]
