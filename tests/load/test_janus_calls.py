"""The measurement at its smallest: it runs, and its numbers can be true."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.load.clip import PICTURES, SOUNDS
from tests.load.janus_calls import bench
from tests.load.levels import BROWSER, CEILING, HEAD, Level, Line, recommendation, row
from tests.load.usage import CORES

LEVEL = Level(
    calls=1,
    janus=5.0,
    clients=12.0,
    others=1.0,
    stolen=0.0,
    idle=180.0,
    packets=400.0,
    loss=0.0,
    dropped=0,
    late=0.001,
    joins=(0.2,),
    memory=25.0,
)


async def test_a_call_through_a_real_janus_delivers_both_ways() -> None:
    async with bench(kbit=500, clip_seconds=1, settle=0.2) as one:
        call = await one.level(1, 1.5)
    assert 0 <= call.loss < 0.05
    least = 2 * (PICTURES + SOUNDS) * 0.8
    assert least < call.packets < 10 * least, "of two people, and nothing twice"
    assert 0 < call.janus < 100
    assert call.clients > 0
    (joined,) = call.joins
    assert 0 < joined < 20
    assert call.memory > 1
    assert len(row(call)) == len(HEAD)


def test_what_a_call_costs_is_the_slope() -> None:
    levels = [replace(LEVEL, calls=n, janus=1 + 4.0 * n, clients=12.0 * n) for n in (0, 1, 2, 4)]
    line = Line.through(levels)
    assert line.per_call == pytest.approx(4)
    assert line.alone == pytest.approx(1)
    one, two = (int((100 * CEILING * cores - 1) / (4 * BROWSER)) for cores in (1, 2))
    assert (line.calls(1), line.calls(2)) == (one, two)
    assert f"suroga-capacity {one} for 1 core, {two} for 2" in recommendation(levels)
    assert f"no more than {100 * CORES // 16}" in recommendation(levels)
    assert "up to 4 calls" in recommendation(levels)


@pytest.mark.parametrize("trouble", [{"loss": 0.02}, {"late": 1.0}])
def test_rows_of_a_machine_that_was_full_count_for_nothing(trouble: dict[str, Any]) -> None:
    good = [replace(LEVEL, calls=n, janus=1 + 4.0 * n) for n in (0, 1, 2)]
    full = replace(LEVEL, calls=8, janus=50.0, **trouble)
    assert Line.through([*good, full]) == Line.through(good)
    assert "8*" in row(full)
    assert "No recommendation" in recommendation([good[0], full])
