"""What a plan is drawn on: pieces of SVG, by time and by pixel."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from shared.fleet.gantt_axis import Axis
from shared.fleet.gantt_text import day_and_time, plain, word
from shared.fleet.plan_view import Carried, PlanView
from shared.platform.i18n import Language

MARGIN = 20

HEAD = 122
"""Where the rows begin: below the title, the legend and the axis."""

NARROW = 2.0
"""Pixels that even a minute of a month has."""


@dataclass(slots=True)
class Drawing:
    view: PlanView
    axis: Axis
    language: Language
    parts: list[str] = field(default_factory=list)
    bars: list[tuple[Carried, float]] = field(default_factory=list)
    """Of calls that moved, and how far down each is."""

    def put(self, part: str) -> None:
        self.parts.append(part)

    def word(self, name: str) -> str:
        return word(name, self.language)

    def text(self, x: float, y: float, text: str, style: str = "", anchor: str = "") -> None:
        style = f' class="{style}"' if style else ""
        anchor = f' text-anchor="{anchor}"' if anchor else ""
        self.put(f'<text x="{pixels(x)}" y="{pixels(y)}"{style}{anchor}>{plain(text)}</text>')

    def line(self, x1: float, y1: float, x2: float, y2: float, style: str) -> None:
        ends = f'x1="{pixels(x1)}" y1="{pixels(y1)}" x2="{pixels(x2)}" y2="{pixels(y2)}"'
        self.put(f'<line {ends} class="{style}"/>')

    def box(
        self, x: float, y: float, wide: float, high: float, style: str, tip: str = "", r: int = 0
    ) -> None:
        shape = (
            f'<rect x="{pixels(x)}" y="{pixels(y)}" width="{pixels(wide)}" height="{pixels(high)}"'
        )
        shape += f' class="{style}"' + (f' rx="{r}"' if r else "")
        self.put(f"{shape}><title>{plain(tip)}</title></rect>" if tip else f"{shape}/>")

    def span(
        self, start: datetime, end: datetime, y: float, high: float, style: str, tip: str, r: int
    ) -> float:
        """Draws what lasts from `start` to `end`; returns its width."""
        x = self.axis.x(start)
        wide = max(self.axis.x(end) - x, NARROW)
        self.box(x, y, wide, high, style, tip, r)
        return wide

    def time(self, start: datetime, end: datetime) -> str:
        first, last = self.axis.local(start), self.axis.local(end)
        until = f"{last:%H:%M}" if first.date() == last.date() else self.moment(last)
        return f"{self.moment(first)} – {until}"

    def moment(self, local: datetime) -> str:
        return day_and_time(local, self.language)


def pixels(value: float) -> str:
    """Tenths of a pixel."""
    return f"{value:.1f}".removesuffix(".0")
