"""How a machine's time is split among the bookings that shared it. Pure; times are whole seconds.

Every second that a machine is on belongs to one booking, or to nobody when it carried none. While
bookings are active they take the seconds in turn, and who has got least so far begins (the largest
remainder): so shares are whole, their sum is the machine's time, whichever interval is asked for,
and none is more than a second or so away from its fair part. `docs/costs.md` has an example.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Carried:
    """A booking was on the machine during [start, end). With start == end it was cancelled before
    it began, and counts for idle time only; `start` may then be after the machine was off."""

    booking_id: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Piece:
    """The machine was on during [start, end), and these took its seconds in turn. None: nobody."""

    start: int
    end: int
    takers: tuple[int, ...] = ()

    def shares(self, since: int, until: int) -> Iterator[tuple[int, int]]:
        """(booking, seconds) in [since, until); their sum is the piece's time in it."""
        first = max(since, self.start) - self.start
        last = min(until, self.end) - self.start
        count = len(self.takers)
        for turn, booking_id in enumerate(self.takers):
            taken = _turns(last, turn, count) - _turns(first, turn, count)
            if taken > 0:
                yield booking_id, taken


def _turns(seconds: int, turn: int, count: int) -> int:
    """How many of the first `seconds` fall to whoever is at this place of so many."""
    return max(0, (seconds - turn + count - 1) // count)


@dataclass(slots=True)
class _Block:
    """Time without a gap during which bookings are active; a moment, for one that never was."""

    start: int
    end: int
    busy: list[tuple[int, int, tuple[int, ...]]] = field(default_factory=list)


def split(start: int, end: int, carried: Iterable[Carried], lead: int) -> list[Piece]:
    """The pieces of [start, end), in order and without a gap.

    Idle time belongs to the bookings next to it: before the first one to that; after the last one
    to that; in between, what is at most `lead` before the next one to that, the rest to the one
    before. Those that begin or end together share it.
    """
    clipped = [_clip(one, start, end) for one in carried]
    begins, ends = _by(clipped, "start"), _by(clipped, "end")
    blocks = _blocks(clipped)
    if not blocks:
        return [Piece(start, end)] if start < end else []
    # From where on idle time belongs to each block.
    bounds = [start]
    for before, after in pairwise(blocks):
        bounds.append(min(end, max(before.end, after.start - lead)))
    bounds.append(end)
    pieces: list[Piece] = []
    for n, block in enumerate(blocks):
        parts = [
            (bounds[n], min(block.start, end), begins[block.start]),
            *block.busy,
            (block.end, bounds[n + 1], ends[block.end]),
        ]
        pieces += _deal(parts)
    return pieces


def _clip(one: Carried, start: int, end: int) -> Carried:
    """One that never began stays where it was booked, if need be behind the end."""
    if one.start >= one.end:
        moment = max(start, one.start)
        return Carried(one.booking_id, moment, moment)
    return Carried(one.booking_id, max(start, one.start), min(end, one.end))


def _by(carried: Iterable[Carried], name: str) -> Mapping[int, tuple[int, ...]]:
    found: dict[int, set[int]] = defaultdict(set)
    for one in carried:
        found[getattr(one, name)].add(one.booking_id)
    return {moment: tuple(sorted(ids)) for moment, ids in found.items()}


def _blocks(carried: Sequence[Carried]) -> list[_Block]:
    blocks: list[_Block] = []
    for one in sorted(carried, key=lambda each: (each.start, each.end)):
        if blocks and one.start <= blocks[-1].end:
            blocks[-1].end = max(blocks[-1].end, one.end)
        else:
            blocks.append(_Block(one.start, one.end))
    starts = [block.start for block in blocks]
    for part in _busy(carried):
        blocks[bisect_left(starts, part[1]) - 1].busy.append(part)
    return blocks


def _busy(carried: Iterable[Carried]) -> Iterator[tuple[int, int, tuple[int, ...]]]:
    """The times between two changes, with the bookings that are active."""
    changes: dict[int, Counter[int]] = defaultdict(Counter)
    for one in carried:
        if one.start < one.end:
            changes[one.start][one.booking_id] += 1
            changes[one.end][one.booking_id] -= 1
    active: Counter[int] = Counter()
    moments = sorted(changes)
    for moment, following in pairwise(moments):
        active.update(changes[moment])
        active = +active
        if active:
            yield moment, following, tuple(sorted(active))


def _deal(parts: Iterable[tuple[int, int, tuple[int, ...]]]) -> Iterator[Piece]:
    """Who is behind the fair share takes the first turn, and so the odd seconds."""
    behind: dict[int, Fraction] = defaultdict(Fraction)
    for start, end, ids in parts:
        if start >= end:
            continue
        takers = tuple(sorted(ids, key=lambda booking_id: (-behind[booking_id], booking_id)))
        odd = (end - start) % len(takers)
        for turn, booking_id in enumerate(takers):
            behind[booking_id] += Fraction(odd, len(takers)) - (turn < odd)
        yield Piece(start, end, takers)
