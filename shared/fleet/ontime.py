"""When machines are on, from what keeps them on. In whole microseconds, as in `packing`."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from shared.fleet.policy import Cause


@dataclass(frozen=True, slots=True)
class Piece:
    """A machine is on during [start, end), for these causes."""

    start: int
    end: int
    causes: frozenset[Cause]


@dataclass(frozen=True, slots=True)
class Reserve:
    """A machine that may be on for a warm window: not before `closed`."""

    name: str
    on: bool
    closed: int


def joined(pieces: Iterable[Piece], bridge: int) -> list[Piece]:
    """In order, without overlaps, and without a break that is shorter than `bridge`. An empty one
    counts only for what it bridges."""
    result: list[Piece] = []
    for piece in sorted(pieces, key=lambda p: (p.start, p.end)):
        last = result[-1] if result else None
        if last is None or piece.start - last.end >= max(bridge, 1):
            result.append(piece)
            continue
        causes = last.causes | piece.causes
        if piece.start > last.end:
            causes |= {Cause.BRIDGE}
        result[-1] = Piece(last.start, max(last.end, piece.end), causes)
    return [piece for piece in result if piece.start < piece.end]


def warmed(
    on: Mapping[str, Sequence[Piece]],
    reserves: Sequence[Reserve],
    warm: Sequence[tuple[int, int, int]],
    bridge: int,
) -> dict[str, list[Piece]]:
    """With as many of the reserves on as each window (a start, an end, machines) demands.

    Those that are on just before or come on soonest are taken first: they need no start of their
    own. Among equals the first of `reserves`.
    """
    topping = _Topping(on, reserves)
    points = sorted({p for start, end, _ in warm for p in (start, end)} | topping.points())
    for start, end in pairwise(points):
        wanted = max((n for a, b, n in warm if a <= start < b), default=0)
        if wanted:
            topping.fill(start, end, wanted)
    return {name: joined([*on[name], *topping.added.get(name, ())], bridge) for name in on}


WARM = frozenset({Cause.WARM})
NEVER = -(1 << 70)
"""Before all times."""


class _Topping:
    def __init__(self, on: Mapping[str, Sequence[Piece]], reserves: Sequence[Reserve]) -> None:
        self.on, self.reserves = on, reserves
        self.starts = {r.name: [p.start for p in on[r.name]] for r in reserves}
        self.added: dict[str, list[Piece]] = {}

    def points(self) -> set[int]:
        """Where it changes which machines are on or may be."""
        pieces = (piece for r in self.reserves for piece in self.on[r.name])
        changes = {p for piece in pieces for p in (piece.start, piece.end)}
        return changes | {r.closed for r in self.reserves}

    def fill(self, start: int, end: int, wanted: int) -> None:
        """Between two neighbouring points."""
        may = [r for r in self.reserves if r.closed <= start]
        off = [r for r in may if self._on_until(r, start) <= start]
        missing = wanted - (len(may) - len(off))
        off.sort(key=lambda r: (self._warm_until(r, start) < start, self._next(r, start), not r.on))
        for reserve in off[: max(missing, 0)]:
            self.added.setdefault(reserve.name, []).append(Piece(start, end, WARM))

    def _on_until(self, reserve: Reserve, moment: int) -> int:
        """The end of its last stretch that began by then."""
        at = bisect_right(self.starts[reserve.name], moment)
        return self.on[reserve.name][at - 1].end if at else NEVER

    def _warm_until(self, reserve: Reserve, moment: int) -> int:
        added = self.added.get(reserve.name)
        return max(self._on_until(reserve, moment), added[-1].end if added else NEVER)

    def _next(self, reserve: Reserve, moment: int) -> int:
        starts = self.starts[reserve.name]
        at = bisect_right(starts, moment)
        return starts[at] if at < len(starts) else -NEVER
