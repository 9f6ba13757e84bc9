"""How few machine-hours the planner needs, and how long it takes.

    .venv/bin/python -m tests.load.planner

Prints machine-hours as ratios. To two lower bounds: of each connected stretch of bookings with
their leads and margins, the longer of the span and of the call time over the capacity; and the
tighter one, that at any moment as many machines are on as the most bookings within the lead and
the margin of it need. And to all machines on all the time. The times are those of the process,
as multiples of a plain first-fit pass over the same bookings in the same run.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared.fleet.planner import plan
from shared.fleet.policy import Carrier, Load, Plan, Policy

LEAD, MARGIN, BRIDGE = 30, 15, 15
POLICY = Policy(*(timedelta(minutes=n) for n in (LEAD, MARGIN, BRIDGE)))
CAPACITY = 4
BEGIN = datetime(2026, 6, 1, tzinfo=UTC)
DAY = 24 * 60

Calls = list[tuple[int, int]]
"""Start and end, in minutes from BEGIN."""

HOURS = {8: 4, 9: 9, 10: 10, 11: 9, 12: 4, 13: 4, 14: 8, 15: 9, 16: 8, 17: 5, 18: 2}
LENGTHS = {15: 1, 30: 6, 45: 3, 60: 7, 90: 2, 120: 1}


def office_day(chance: random.Random, day: int, calls: int, grid: int) -> Calls:
    """Starts are on a grid of so many minutes."""
    hours = chance.choices(list(HOURS), list(HOURS.values()), k=calls)
    starts = [day * DAY + hour * 60 + chance.randrange(0, 60, grid) for hour in hours]
    lengths = chance.choices(list(LENGTHS), list(LENGTHS.values()), k=calls)
    return [(start, start + length) for start, length in zip(starts, lengths, strict=True)]


def quiet_week(chance: random.Random, per_day: int = 3, grid: int = 15) -> Calls:
    starts = [
        day * DAY + chance.randrange(8 * 60, 20 * 60, grid)
        for day in range(7)
        for _ in range(chance.randint(1, per_day))
    ]
    return [(start, start + chance.choice((30, 45, 60))) for start in starts]


def office_week(chance: random.Random, per_day: int = 90, grid: int = 15) -> Calls:
    return [call for day in range(5) for call in office_day(chance, day, per_day, grid)]


def bursts(chance: random.Random, most: int = 40, grid: int = 15) -> Calls:
    """A quiet week where on each work day many call within half an hour."""
    calls = quiet_week(chance, grid=grid)
    for day in range(5):
        begin = day * DAY + chance.randrange(9 * 60, 18 * 60, 30)
        for _ in range(chance.randint(most // 2, most)):
            start = begin + chance.choice((0, 0, 0, 5, 10, 15, 30))
            calls.append((start, start + chance.choice((20, 30, 30, 45, 60))))
    return calls


def month(chance: random.Random, calls: int = 10_000, grid: int = 15) -> Calls:
    """A fifth as many on a day of the weekend as on a work day."""
    weights = [1 if day % 7 > 4 else 5 for day in range(30)]
    days = chance.choices(range(30), weights, k=calls)
    counts = [days.count(day) for day in range(30)]
    return [call for day, n in enumerate(counts) for call in office_day(chance, day, n, grid)]


CASES: dict[str, Callable[[random.Random], Calls]] = {
    "quiet week": quiet_week,
    "office week": office_week,
    "office week, any minute": lambda chance: office_week(chance, grid=1),
    "bursts": bursts,
    "10,000 in a month": month,
    "10,000, any 5 minutes": lambda chance: month(chance, grid=5),
    "10,000, any minute": lambda chance: month(chance, grid=1),
}


@dataclass(frozen=True)
class Result:
    """Machine-minutes, and seconds of the process."""

    calls: int
    machines: int
    on: float
    spans: float
    tight: int
    always: int
    seconds: float
    first_fit: float

    def line(self, name: str) -> str:
        hours = [self.on / self.spans, self.on / self.tight, self.tight / self.spans]
        ratios = "".join(f"{ratio:8.3f}" for ratio in [*hours, self.on / self.always])
        times = f"{self.seconds / self.first_fit:8.1f}{self.seconds:8.2f}"
        return f"{name:26}{self.calls:7,}{self.machines:5}{ratios}{times}"


HEADINGS = ("calls", "VMs", "/ spans", "/ tight", "t / s", "/ all", "/ first", "s")


def heading() -> str:
    widths = (7, 5, 8, 8, 8, 8, 8, 8)
    return " " * 26 + "".join(
        f"{text[:width]:>{width}}" for text, width in zip(HEADINGS, widths, strict=True)
    )


def measure(calls: Calls, capacity: int = CAPACITY) -> Result:
    """On two machines more than the peak needs."""
    loads = [
        Load(n, BEGIN + timedelta(minutes=start), BEGIN + timedelta(minutes=end))
        for n, (start, end) in enumerate(calls)
    ]
    counts = running(calls)
    machines = -(-max(counts) // capacity) + 2
    carriers = [Carrier(f"vm-{n:02}", capacity) for n in range(machines)]
    began = time.process_time()
    found = plan(loads, carriers, POLICY)
    seconds = time.process_time() - began
    assert not found.unplaced
    began = time.process_time()
    first_fit(loads, capacity)
    first = time.process_time() - began
    days = -(-max(end for _, end in calls) // DAY)
    always = machines * days * DAY
    bounds = spans_bound(calls, capacity), tight_bound(counts, capacity)
    return Result(len(calls), machines, on_minutes(found), *bounds, always, seconds, first)


def on_minutes(found: Plan) -> float:
    spans = (one.end - one.start for each in found.on.values() for one in each)
    return sum(spans, timedelta()) / timedelta(minutes=1)


def first_fit(loads: Sequence[Load], capacity: int) -> None:
    """By start, each to the first machine with a place."""
    ends: list[list[datetime]] = []
    for load in sorted(loads, key=lambda load: (load.start, load.booking_id)):
        for number, machine in enumerate(ends):
            ends[number] = machine = [end for end in machine if end > load.start]
            if len(machine) < capacity:
                machine.append(load.end)
                break
        else:
            ends.append([load.end])


def running(calls: Calls) -> list[int]:
    """Of each minute, from LEAD before BEGIN on."""
    counts = [0] * (max(end for _, end in calls) + LEAD + MARGIN)
    for start, end in calls:
        for minute in range(start, end):
            counts[minute + LEAD] += 1
    return counts


def tight_bound(counts: Sequence[int], capacity: int) -> int:
    """What a minute needs is on from LEAD before it until MARGIN after it."""
    needed = [-(-n // capacity) for n in counts]
    return sum(max(needed[max(t - MARGIN, 0) : t + LEAD + 1]) for t in range(len(needed)))


def spans_bound(calls: Calls, capacity: int) -> float:
    return sum(max(end - start, time / capacity) for start, end, time in _stretches(calls))


def _stretches(calls: Calls) -> Iterator[tuple[int, int, int]]:
    """Connected ones, with leads and margins: start, end and the time of the calls themselves."""
    first, until, total = 0, -DAY, 0
    for start, end in sorted(calls):
        if start - LEAD > until:
            yield first, until, total
            first, until, total = start - LEAD, end + MARGIN, 0
        until = max(until, end + MARGIN)
        total += end - start
    yield first, until, total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--capacity", type=int, default=CAPACITY)
    arguments = parser.parse_args()
    print(heading())
    for name, calls in CASES.items():
        result = measure(calls(random.Random(arguments.seed)), arguments.capacity)
        print(result.line(name), flush=True)
    print(
        "/ spans, / tight: on-time to each lower bound; t / s: the tight bound to the other; / all:"
        "\nto always on. / first: time to plan, in times of a plain first-fit pass; s: in seconds"
    )


if __name__ == "__main__":
    main()
