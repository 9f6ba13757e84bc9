"""The benchmark at its smallest: it counts, and times nothing."""

from __future__ import annotations

from tests.azurite import Azurite
from tests.load.bookings import measure, report


async def test_the_past_costs_nothing(own_azurite: Azurite) -> None:
    figures = await measure(own_azurite, (10, 1_000), rounds=0)
    few, many = (
        {name: (cost.requests, cost.waits, cost.rows) for name, cost in costs.items()}
        for costs in figures.by_size.values()
    )
    assert few == many
    assert few["create"][:2] == (5, 2)
    assert few["create, with an idempotency key"][:2] == (6, 2)
    assert few["list"][1] == 2
    assert all(name in report(figures) for name in few)
