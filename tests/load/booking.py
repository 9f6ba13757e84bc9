"""How much a booking costs over the floor: one bare read and one bare transaction, in sequence.

    .venv/bin/python -m tests.load.booking

Prints ratios of medians taken in one run against the same Azurite; see docs/developer.md.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

from shared.platform.tables import Insert
from shared.platform.tables_azure import AzureTables
from tests.azurite import Azurite
from tests.world import World

ROUNDS = 60


async def _median(work: Callable[[int], Awaitable[object]]) -> float:
    times = []
    for n in range(ROUNDS):
        begin = time.perf_counter()
        await work(n)
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


async def measure(azurite: Azurite) -> float:
    tables = AzureTables(azurite.connection)
    world = World(tables=tables, local_vms=20, vm_capacity=1000)

    async def floor(n: int) -> None:
        await tables.query("Floor", "pk", "a", "c")
        await tables.commit(
            "Floor", "pk", [Insert(f"m|{n:04d}", {"n": n}), Insert(f"u|{n:04d}", {})]
        )

    async def booking(n: int) -> None:
        await world.book(60 + 100 * (n % 12), 30)

    await floor(ROUNDS)
    await booking(0)
    bare, ours = await _median(floor), await _median(booking)
    await tables.close()
    print(f"booking: {ours / bare:.2f} times a bare read and transaction")
    return ours / bare


def main() -> None:
    azurite = Azurite()
    azurite.start()
    try:
        asyncio.run(measure(azurite))
    finally:
        azurite.destroy()


if __name__ == "__main__":
    main()
