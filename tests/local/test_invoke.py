"""What a function raises or returns stays the function's own affair."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from azure.functions.meta import Datum

from local.host.functions import Function, Trigger
from local.host.invoke import Escaped, Invoker

SPECIAL = [SystemExit(3), KeyboardInterrupt(), StopIteration(), asyncio.CancelledError()]


def made(handler: Callable[..., Any], *, is_async: bool, returns: str | None = None) -> Function:
    trigger = Trigger(type="timerTrigger", parameter="timer", converter="timerTrigger")
    return Function("f", handler, Path(), trigger, False, is_async, returns)


async def called(function: Function) -> Any:
    async with asyncio.timeout(10):  # a hang is what some of these used to be
        return await Invoker().call(function, "id", Datum("{}", "json"), {})


@pytest.mark.parametrize("error", SPECIAL, ids=lambda error: type(error).__name__)
async def test_a_thread_raises_nothing_that_ends_more_than_its_call(error: BaseException) -> None:
    def handler(timer: object) -> None:
        raise error

    with pytest.raises(Escaped, match=type(error).__name__):
        await called(made(handler, is_async=False))


@pytest.mark.parametrize(
    "error",
    [e for e in SPECIAL if not isinstance(e, StopIteration)],
    ids=lambda e: type(e).__name__,
)
async def test_a_coroutine_raises_nothing_that_ends_more_than_its_call(
    error: BaseException,
) -> None:
    async def handler(timer: object) -> None:
        raise error

    with pytest.raises(Escaped, match=type(error).__name__):
        await called(made(handler, is_async=True))


async def test_cancelling_from_outside_stays_what_it_is() -> None:
    began = asyncio.Event()

    async def handler(timer: object) -> None:
        began.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(called(made(handler, is_async=True)))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_thread_that_never_began_is_cancelled_and_has_not_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A message whose function never ran goes back to its queue instead of counting as failed."""
    monkeypatch.setenv("PYTHON_THREADPOOL_THREAD_COUNT", "1")
    invoker, release = Invoker(), asyncio.Event()
    loop, ran = asyncio.get_running_loop(), []

    def handler(timer: object) -> None:
        ran.append(1)
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result(10)

    function = made(handler, is_async=False)
    calls = [
        asyncio.create_task(invoker.call(function, "id", Datum("{}", "json"), {})) for _ in range(2)
    ]
    await asyncio.sleep(0)
    assert not await invoker.drain(0)
    release.set()
    first, second = await asyncio.gather(*calls, return_exceptions=True)
    assert (first, type(second), ran) == (None, asyncio.CancelledError, [1])


@pytest.mark.parametrize("is_async", [True, False])
async def test_only_a_return_binding_takes_a_value(is_async: bool) -> None:
    async def waiting(timer: object) -> str:
        return "value"

    def plain(timer: object) -> str:
        return "value"

    handler: Callable[..., Any] = waiting if is_async else plain
    assert await called(made(handler, is_async=is_async, returns="http")) == "value"
    with pytest.raises(TypeError, match="without a return binding returned a str"):
        await called(made(handler, is_async=is_async))
