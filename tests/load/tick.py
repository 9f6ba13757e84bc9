"""What a tick of the reconciler asks of the storage and of the machines' host, with few bookings in
the tables and with many.

    python -m tests.load.tick

Counts only: a request is one answer of the table service, which holds 1000 rows.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from shared.bookings.claims import Claim
from shared.platform.clock import iso
from shared.platform.tables import Row
from tests.fakes.tables import FakeTables
from tests.world import World

SIZES = (100, 100_000)
MACHINES = 20
DAYS = 360
"""Bookings lie so many days back and as many ahead, the same number on each."""

ANSWER = 1000


@dataclass
class Cost:
    """Of one tick: requests by verb and table, rows read, machines that were looked at."""

    requests: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    looks: int = 0


class CountingTables(FakeTables):
    def __init__(self) -> None:
        super().__init__()
        self.cost = Cost()

    async def query(
        self, table: str, pk: str, start: str = "", end: str = "", limit: int = 0
    ) -> list[Row]:
        rows = await super().query(table, pk, start, end, limit)
        self.cost.requests[f"query {table}"] += max(1, -(-len(rows) // ANSWER))
        self.cost.rows += len(rows)
        return rows

    async def scan(
        self,
        table: str,
        pks: tuple[str, str],
        rks: tuple[str, str],
        where: Mapping[str, Any],
        limit: int = 0,
    ) -> list[Row]:
        raise AssertionError("a tick never searches through days")

    async def get(self, table: str, pk: str, rk: str) -> Row | None:
        self.cost.requests[f"get {table}"] += 1
        return await super().get(table, pk, rk)

    async def commit(self, table: str, pk: str, ops: Sequence[Any]) -> Mapping[str, str]:
        self.cost.requests[f"commit {table}"] += 1
        return await super().commit(table, pk, ops)


async def fill(world: World, count: int) -> None:
    """Copies of a real claim, at night, when nothing is measured: they are over by then, or far."""
    booked = await world.book(60 * 12)
    (row,) = [
        row
        for (table, _), rows in world.tables.rows.items()
        for row in rows.values()
        if table == "Calendar" and row.rk.startswith("b|")
    ]
    pattern = Claim.from_row(row)
    midnight = world.now.replace(hour=0, minute=0)
    for day in range(count):
        number, offset = divmod(day, 2 * DAYS)
        start = midnight + timedelta(days=offset - DAYS, minutes=number % 120)
        pk = f"00|{start:%Y%m%d}"
        own = {**row.data, "booking_id": booked.booking.booking_id + day + 1, "home": pk}
        times = {"start": iso(start), "end": iso(start + MINUTES)}
        rows = world.tables.rows.setdefault(("Calendar", pk), {})
        rk = f"b|{own['booking_id']}"
        rows[rk] = Row(pk, rk, {**own, **times}, pattern.etag or "W/1")


MINUTES = timedelta(minutes=5)


async def measure(count: int) -> dict[str, Cost]:
    """An idle tick, one that starts a machine, and one with four calls on a machine."""
    tables = CountingTables()
    world = World(tables, local_vms=MACHINES)
    world.clock.advance(minutes=1)
    await fill(world, count)
    costs = {"idle": await _tick(world, tables, settle=2)}
    for _ in range(4):
        await world.book(20)
    costs["a start"] = await _tick(world, tables)
    costs["four bookings on a machine"] = await _tick(world, tables, settle=3)
    return costs


async def _tick(world: World, tables: CountingTables, settle: int = 0) -> Cost:
    for _ in range(settle):
        await world.tick()
    tables.cost = Cost()
    assert world.now.minute % 10, "now and then all machines are looked at"
    world.compute.looks.clear()
    await world.tick()
    cost, tables.cost = tables.cost, Cost()
    cost.looks = sum(len(names) for names in world.compute.looks)
    return cost


def table(sizes: Mapping[int, Mapping[str, Cost]]) -> str:
    lines = [f"{'tick':<28}{'bookings':>10}{'requests':>10}{'rows':>7}{'machines':>10}"]
    for name in next(iter(sizes.values())):
        for count, costs in sizes.items():
            cost = costs[name]
            lines.append(
                f"{name:<28}{count:>10}{cost.requests.total():>10}{cost.rows:>7}"
                f"{cost.looks:>7}/{MACHINES}"
            )
    return "\n".join(lines)


async def main() -> dict[int, dict[str, Cost]]:
    with contextlib.redirect_stdout(io.StringIO()):  # the log's lines
        return {count: await measure(count) for count in SIZES}


if __name__ == "__main__":
    sys.stdout.write(table(asyncio.run(main())) + "\n")
