"""What counting requests costs: one operation through the door, with limits in memory and without.

    .venv/bin/python -m tests.load.throttle

Prints the ratio of medians taken in one run, on tables in memory: what storage would take is not
in it, so this is the worst that counting can look.
"""

from __future__ import annotations

import asyncio
import logging
import statistics
import time

import pytest

from tests.unit.functions.asking import Door

ROUNDS = 1500
CALLERS = 200
"""The more keys are counted, the more the store has to look through."""


async def measure() -> float:
    logging.disable(logging.INFO)
    with pytest.MonkeyPatch.context() as patch:
        times: dict[str, list[float]] = {"off": [], "1000000/minute": []}
        doors = {rate: Door(patch, rate_caller=rate, rate_address=rate) for rate in times}
        tokens = [doors["off"].token(f"user-{n}") for n in range(CALLERS)]
        for n in range(ROUNDS):
            for rate, door in doors.items():  # by turns, so that a busy moment hits both
                door.serve(patch)
                begun = time.perf_counter()
                await door.ask("rooms_list", token=tokens[n % CALLERS], address=f"10.0.0.{n % 99}")
                times[rate].append(time.perf_counter() - begun)
    bare, limited = (statistics.median(values[CALLERS:]) for values in times.values())
    print(f"a request with rate limits: {limited / bare:.2f} times one without")
    return limited / bare


if __name__ == "__main__":
    asyncio.run(measure())
