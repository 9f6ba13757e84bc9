"""What the booking API costs in storage, and that it costs no more as there are more bookings, in
the past or ahead.

    .venv/bin/python -m tests.load.bookings --past 100000

Prints counts, and ratios of times taken in one run against the same Azurite: never times alone,
which would tell of the machine. The figures are in docs/developer.md.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from shared.platform.queues_azure import AzureQueues
from shared.platform.tables_azure import AzureTables
from tests.azurite import Azurite
from tests.load.contention import Contest, contest
from tests.load.history import fill
from tests.load.operations import OPERATIONS, Operation, Site

SIZES = (10, 1_000, 100_000)
SIZES_AHEAD = (10, 1_000, 10_000)
ROUNDS = 20
FIRST_AHEAD = 50
"""Of the pools with bookings ahead."""


@dataclass
class Cost:
    """Of one operation. `times` are seconds, `bare` those of the range query after each."""

    requests: int
    waits: int
    rows: int
    times: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)

    @property
    def counts(self) -> tuple[int, int, int]:
        return self.requests, self.waits, self.rows

    def ratio(self, percent: int) -> float:
        return _percentile(self.times, percent) / _percentile(self.bare, percent)


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


T = TypeVar("T")

Costs = dict[str, Cost]
"""By operation."""


async def cost(site: Site, operation: Operation, rounds: int) -> Cost:
    recorder = site.recorder
    recorder.in_waves = True
    await _run(site, operation)
    result = Cost(recorder.requests, recorder.waits, recorder.rows)
    recorder.in_waves = False
    for _ in range(rounds):
        seconds, bare = await _run(site, operation)
        result.times.append(seconds)
        result.bare.append(bare)
    return result


async def _run(site: Site, operation: Operation) -> tuple[float, float]:
    """Once, and then the bare query: what slows one down slows the other down."""
    site.world.clock.time = site.began
    day = site.day()
    work = await operation(site, day)
    site.recorder.clear()
    seconds = await _timed(work)
    return seconds, await _timed(lambda: site.range_query(day))


async def _timed(work: Callable[[], Awaitable[object]]) -> float:
    begin = time.perf_counter()
    await work()
    return time.perf_counter() - begin


async def measure(
    azurite: Azurite, sizes: tuple[int, ...], rounds: int, *, ahead: bool = False
) -> dict[int, Costs]:
    """One size after the other into the same tables, each with a pool and a booker of its own. With
    no `rounds` it counts and times nothing."""
    found = {}
    async with _ports(azurite) as ports:
        for pool, size in enumerate(sizes, start=FIRST_AHEAD if ahead else 1):
            site = Site(pool, *ports)
            pattern = await site.open()
            print(f"{size:,} bookings {'ahead' if ahead else 'past'}", file=sys.stderr)
            await fill(azurite, ports[0], pattern, site.began, size, ahead=ahead)
            found[size] = await _costs(site, rounds)
    return found


async def compete(azurite: Azurite) -> Contest:
    async with _ports(azurite) as ports:
        return await contest(Site(0, *ports))


@asynccontextmanager
async def _ports(azurite: Azurite) -> AsyncIterator[tuple[AzureTables, AzureQueues]]:
    tables, queues = AzureTables(azurite.connection), AzureQueues(azurite.connection)
    yield tables, queues
    await tables.close()
    await queues.close()


async def _costs(site: Site, rounds: int) -> Costs:
    for operation in OPERATIONS.values() if rounds else ():
        await _run(site, operation)  # the first one of a process connects
    return {name: await cost(site, operation, rounds) for name, operation in OPERATIONS.items()}


def table(where: str, by_size: dict[int, Costs]) -> str:
    lines = [_line("", *(f"{size:,} bookings {where}" for size in by_size), width=38)]
    lines.append(_line("operation", *["requests waits rows  p50  p95"] * len(by_size), width=38))
    rows = {name: [_cells(costs[name]) for costs in by_size.values()] for name in OPERATIONS}
    lines += [_line(name, *cells, width=38) for name, cells in rows.items()]
    return "\n".join([*lines, "p50, p95: times those of a range query of the day, same table", ""])


def _cells(cost: Cost) -> str:
    times = f" {cost.ratio(50):4.1f} {cost.ratio(95):4.1f}" if len(cost.times) > 1 else ""
    return f"{cost.requests:8} {cost.waits:5} {cost.rows:4}{times}"


def _line(first: str, *others: str, width: int) -> str:
    return f"{first:34}" + "".join(f"{other:<{width}}" for other in others).rstrip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--past", type=int, default=SIZES[-1], help="the most past bookings")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="times that each is measured")
    arguments = parser.parse_args()
    sizes = (*(size for size in SIZES if size < arguments.past), arguments.past)
    rounds = arguments.rounds
    print(table("past", _on_azurite(lambda azurite: measure(azurite, sizes, rounds))))
    ahead = _on_azurite(lambda azurite: measure(azurite, SIZES_AHEAD, rounds, ahead=True))
    print(table("ahead", ahead))
    print("\n".join(_on_azurite(compete).lines()))


def _on_azurite(work: Callable[[Azurite], Coroutine[Any, Any, T]]) -> T:
    """A new one each time: with many rows Azurite gets slow."""
    azurite = Azurite(in_memory=True)
    try:
        return asyncio.run(work(azurite))
    finally:
        azurite.destroy()


if __name__ == "__main__":
    main()
