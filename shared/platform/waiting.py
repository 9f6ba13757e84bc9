"""Waiting for several things at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from shared.platform import logs

T = TypeVar("T")
R = TypeVar("R")

AT_ONCE = 16
"""Requests side by side, where there are many."""


async def spread(
    work: Callable[[T], Awaitable[R]], items: Iterable[T], most: int = AT_ONCE
) -> list[R]:
    """The work for each, at most so many at the same time; raises when all have ended."""
    room = asyncio.Semaphore(most)

    async def one(item: T) -> R:
        async with room:
            return await work(item)

    return await together(*(one(item) for item in items))


async def together(*work: Awaitable[Any]) -> list[Any]:
    """As `asyncio.gather`, but raises only when all have ended: what one of them wrote may have to
    be taken back, and must not be written after that."""
    outcomes = await asyncio.gather(*work, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return outcomes


async def beside(work: Awaitable[None], *extras: Awaitable[None]) -> None:
    """Does the work and, at the same time, what somebody mends should it be lost: only the work's
    failure is one. What fails of the others is logged."""
    outcomes = await asyncio.gather(work, *extras, return_exceptions=True)
    for outcome in outcomes[1:]:
        if isinstance(outcome, BaseException):
            logs.exception("beside.failed", outcome)
    if isinstance(outcomes[0], BaseException):
        raise outcomes[0]
