"""A tick costs the same, however many bookings there are; the host is asked for what matters."""

from __future__ import annotations

from tests.conftest import Figures
from tests.load.tick import SIZES, main, table


async def test_bookings_of_other_days_cost_nothing(figures: Figures) -> None:
    sizes = await main()
    few, many = (sizes[count] for count in SIZES)
    assert {n: c.requests for n, c in few.items()} == {n: c.requests for n, c in many.items()}
    assert [cost.looks for cost in many.values()] == [0, 0, 1]
    assert many["idle"].rows > few["idle"].rows, "those of the same day are seen"
    figures(table(sizes))
