"""Trying again what somebody else's change came in between."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from shared.platform.problems import busy
from shared.platform.tables import Conflict

T = TypeVar("T")

TRIES = 5
"""For a row that few change at the same time; who expects many takes turns (`Contention`)."""


async def again(work: Callable[[], Awaitable[T]], tries: int = TRIES) -> T:
    """Reads and writes anew, without a pause, until `work` meets no `Conflict`.

    Raises Problem 503 when it always does.
    """
    for _ in range(tries):
        try:
            return await work()
        except Conflict:
            continue
    raise busy()
