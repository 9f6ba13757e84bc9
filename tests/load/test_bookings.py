"""The benchmark at its smallest: it counts, and times nothing."""

from __future__ import annotations

from tests.azurite import Azurite
from tests.load.bookings import Costs, measure, table
from tests.load.operations import OPERATIONS, SEARCH_AHEAD

Counts = dict[str, tuple[int, int, int]]


def counts(by_size: dict[int, Costs]) -> list[Counts]:
    """Requests, waits and rows of each operation."""
    return [{name: cost.counts for name, cost in costs.items()} for costs in by_size.values()]


def without_search(costs: Counts) -> Counts:
    return {name: cost for name, cost in costs.items() if name not in SEARCH_AHEAD}


async def test_other_bookings_cost_nothing(own_azurite: Azurite) -> None:
    past = await measure(own_azurite, (10, 1_000), rounds=0)
    few, many = counts(past)
    assert few == many
    few_ahead, many_ahead = counts(await measure(own_azurite, (10, 1_000), rounds=0, ahead=True))
    assert without_search(few_ahead) == without_search(many_ahead)
    for name in SEARCH_AHEAD:
        assert many_ahead[name][2] >= few_ahead[name][2] + 1_000, "a search is seen"
    assert few["create"][:2] == (6, 2)
    assert few["create, with an idempotency key"][:2] == (7, 2)
    assert few["list"][1] == 2
    assert few["room, show"][:2] == (3, 3)
    assert few.keys() == OPERATIONS.keys()
    assert all(name in table("past", past) for name in few)
