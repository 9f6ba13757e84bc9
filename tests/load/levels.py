"""What was measured with so many calls, and what it says of a core."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from tests.load.usage import CORES

CEILING = 0.6
"""Of a core: what the calls may use on average. The rest is for bursts, joins and the machine."""

BROWSER = 1.15
"""By how much more a browser's packets cost Janus than those of the light clients: it spreads them
in time and reports more of what it receives (`janus_calls --chromium`)."""

LATE = 0.25
LOSS = 0.01
"""Beyond either, it is this machine that was full: such a row says nothing about Janus."""


@dataclass(frozen=True, slots=True)
class Level:
    """So many calls at once. Shares are in per cent of one core."""

    calls: int
    janus: float
    clients: float
    others: float
    stolen: float
    idle: float
    packets: float
    """That Janus passed on each second."""
    loss: float
    dropped: int
    """Of the lost, those that Janus did not fetch from its sockets in time."""
    late: float
    joins: tuple[float, ...]
    """Seconds, of the calls that came with this level."""
    memory: float

    @property
    def counts(self) -> bool:
        return self.late <= LATE and self.loss <= LOSS

    @property
    def per_call(self) -> float:
        return self.janus / self.calls if self.calls else 0.0


HEAD = (
    "calls  Janus %  per call %  packets/s  loss %  at Janus  late ms  join ms: median worst"
    "  MB   clients %  others %  steal %  idle %"
)


def row(level: Level) -> str:
    joins = level.joins or (0.0,)
    return (
        f"{level.calls:5}{' ' if level.counts else '*'} {level.janus:7.1f} {level.per_call:11.2f}"
        f" {level.packets:10.0f} {level.loss * 100:7.2f} {level.dropped:9}"
        f" {level.late * 1000:8.0f} {statistics.median(joins) * 1000:16.0f}"
        f" {max(joins) * 1000:5.0f} {level.memory:4.0f} {level.clients:10.0f}"
        f" {level.others:9.0f} {level.stolen:8.0f} {level.idle:7.0f}"
    )


@dataclass(frozen=True, slots=True)
class Line:
    """Janus's share of a core as calls grow, by least squares."""

    per_call: float
    alone: float

    @classmethod
    def through(cls, levels: Sequence[Level]) -> Line:
        good = [level for level in levels if level.counts]
        shares = [level.janus for level in good]
        fit = statistics.linear_regression([level.calls for level in good], shares)
        return cls(per_call=fit.slope, alone=fit.intercept)

    def calls(self, cores: float) -> int:
        """How many, of browsers, use no more than the ceiling of so many cores."""
        return max(0, int((100 * CEILING * cores - self.alone) / (self.per_call * BROWSER)))


def recommendation(levels: Sequence[Level]) -> str:
    most = max((level.calls for level in levels if level.counts), default=0)
    if most < 2:
        return "No recommendation: this machine was too busy to measure more than one call."
    line = Line.through(levels)
    clients = max(level.clients / level.calls for level in levels if level.calls)
    bound = int(100 * CORES / (line.per_call + clients))
    return (
        f"A call costs Janus {line.per_call:.2f} % of a core (least squares; {line.alone:.1f} % "
        f"without any), and {line.per_call * BROWSER:.2f} % with browsers. With at most "
        f"{CEILING:.0%} of a core in use: suroga-capacity {line.calls(1)} for 1 core, "
        f"{line.calls(2)} for 2.\n"
        f"Measured up to {most} calls: more is extrapolated. A call's clients take up to "
        f"{clients:.0f} % of a core, so this machine could produce no more than {bound}. Rows with "
        f"a * count for nothing: the clients were late by more than {LATE * 1000:.0f} ms or lost "
        f"more than {LOSS:.0%}."
    )
