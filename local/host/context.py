"""The `func.Context` of one invocation."""

from __future__ import annotations

import threading
from pathlib import Path

import azure.functions as func
from azure.functions._abc import RetryContext, RpcException, TraceContext

_THREAD = threading.local


class Trace(TraceContext):
    def __init__(self, parent: str, state: str) -> None:
        self._parent = parent
        self._state = state

    @property
    def trace_parent(self) -> str:
        return self._parent

    @property
    def trace_state(self) -> str:
        return self._state

    @property
    def attributes(self) -> dict[str, str]:
        return {}


class NoError(RpcException):
    @property
    def source(self) -> str:
        return ""

    @property
    def stack_trace(self) -> str:
        return ""

    @property
    def message(self) -> str:
        return ""


class FirstTry(RetryContext):
    """Retry policies do nothing here: those of timers are rare, and queues have none."""

    @property
    def retry_count(self) -> int:
        return 0

    @property
    def max_retry_count(self) -> int:
        return 0

    @property
    def exception(self) -> RpcException:
        return NoError()


class Invocation(func.Context):
    def __init__(self, invocation_id: str, name: str, folder: Path, trace: Trace) -> None:
        self._id = invocation_id
        self._name = name
        self._folder = folder
        self._trace = trace

    @property
    def invocation_id(self) -> str:
        return self._id

    @property
    def thread_local_storage(self) -> type[threading.local]:
        return _THREAD

    @property
    def function_name(self) -> str:
        return self._name

    @property
    def function_directory(self) -> str:
        return str(self._folder)

    @property
    def trace_context(self) -> TraceContext:
        return self._trace

    @property
    def retry_context(self) -> RetryContext:
        return FirstTry()
