"""Calls the app's functions, and knows which calls are under way."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from azure.functions.meta import Datum

from local.host import bindings
from local.host.context import Invocation, Trace
from local.host.functions import Function
from local.host.queues import QueueMessage
from shared.platform import logs

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_TRACE = Trace("", "")


class Escaped(Exception):
    """A function raised what would have ended more than its own call."""


def new_id() -> str:
    return str(uuid.uuid4())


class Invoker:
    """Async functions run on the loop, others in threads: as many as
    `PYTHON_THREADPOOL_THREAD_COUNT` says, else Python's default.

    https://learn.microsoft.com/azure/azure-functions/functions-app-settings#python_threadpool_thread_count
    """

    def __init__(self) -> None:
        count = os.environ.get("PYTHON_THREADPOOL_THREAD_COUNT", "")
        self._threads = ThreadPoolExecutor(
            int(count) if count.isdecimal() and int(count) else None, "function"
        )
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def http(
        self, function: Function, invocation_id: str, request: bindings.Request
    ) -> bindings.Response:
        """Raises whatever the function raises, and TypeError for what it may not return."""
        headers = {name.lower(): value for name, value in request.headers}
        trace = Trace(headers.get("traceparent", ""), headers.get("tracestate", ""))
        datum = bindings.request_datum(request)
        return bindings.encode_response(await self.call(function, invocation_id, datum, {}, trace))

    async def timer(self, function: Function, datum: str) -> None:
        with _told("timer.fired", function) as invocation_id:
            await self.call(function, invocation_id, bindings.timer_datum(datum), {})

    async def message(self, function: Function, message: QueueMessage) -> None:
        with _told("queue.handled", function, message=message.id) as invocation_id:
            datum = bindings.message_datum(message, function.trigger.binary)
            metadata = bindings.message_metadata(message)
            await self.call(function, invocation_id, datum, metadata)

    async def call(
        self,
        function: Function,
        invocation_id: str,
        datum: Datum,
        metadata: Mapping[str, Datum],
        trace: Trace = NO_TRACE,
    ) -> Any:
        arguments = {function.trigger.parameter: bindings.decode(function.trigger, datum, metadata)}
        if function.wants_context:
            arguments["context"] = Invocation(invocation_id, function.name, function.folder, trace)
        with self._counted():
            value = await self._run(function, arguments)
        if value is not None and function.returns is None:
            # The worker's rule: a queue's message would come again, and be poison in the end.
            kind = type(value).__name__
            raise TypeError(f"{function.name} without a return binding returned a {kind}")
        return value

    async def _run(self, function: Function, arguments: Mapping[str, Any]) -> Any:
        if function.is_async:
            with _contained(asyncio.current_task()):
                return await function.handler(**arguments)
        call = partial(contextvars.copy_context().run, function.handler, **arguments)
        return await asyncio.get_running_loop().run_in_executor(self._threads, _in_thread, call)

    async def drain(self, patience: float) -> bool:
        """Waits for the calls under way; says whether all have ended. No thread is waited for."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._idle.wait()
        self._threads.shutdown(wait=False, cancel_futures=True)
        return not self._running

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._running += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()


def _in_thread(call: Callable[[], Any]) -> Any:
    with _contained():
        return call()


@contextmanager
def _contained(task: asyncio.Task[Any] | None = None) -> Iterator[None]:
    """Left alone, an exit ends the host, a cancelling that nobody asked for ends a timer's loop,
    and a thread's StopIteration cannot be put into a future: its caller waits for ever."""
    try:
        yield
    except (SystemExit, KeyboardInterrupt, StopIteration, asyncio.CancelledError) as error:
        asked = isinstance(error, asyncio.CancelledError) and task and task.cancelling()
        if asked:
            raise
        raise Escaped(f"the function raised {type(error).__name__}") from error


@contextmanager
def _told(event: str, function: Function, **fields: Any) -> Iterator[str]:
    """One line for an invocation that no HTTP request began. A failure goes on to the listener,
    which tells it with its traceback and decides what becomes of the message."""
    logs.new_operation()
    began, invocation_id = time.perf_counter(), new_id()
    fields |= {"function": function.name, "invocation_id": invocation_id}
    try:
        yield invocation_id
    except Exception:
        logs.event(event, level=logging.WARNING, **fields, ok=False, ms=milliseconds(began))
        raise
    logs.event(event, **fields, ok=True, ms=milliseconds(began))


def milliseconds(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 1)
