"""`extensions.queues` of host.json.

https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue#hostjson-settings
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

MAX_BATCH = 32
"""What one call of the storage gives at most, and the host's own limit."""

_SPAN = re.compile(r"([0-9]{1,2}):([0-5][0-9]):([0-5][0-9](?:\.[0-9]{1,7})?)")
_SHORTEST_POLL = timedelta(milliseconds=100)
_ENCODINGS = ("base64", "none")


@dataclass(frozen=True)
class QueueOptions:
    batch_size: int = 16
    new_batch_threshold: int | None = None
    """How many may still run when the next batch is fetched: half a batch unless told."""
    max_dequeue_count: int = 5
    visibility_timeout: timedelta = timedelta(0)
    """How long a message rests after a failure."""
    max_polling_interval: timedelta = timedelta(minutes=1)
    base64: bool = True

    @property
    def threshold(self) -> int:
        if self.new_batch_threshold is None:
            return self.batch_size // 2
        return self.new_batch_threshold

    @classmethod
    def from_host_json(cls, extensions_queues: Mapping[str, Any]) -> QueueOptions:
        """Raises `ValueError` that names the key. Keys that we do not know are left alone."""
        given = extensions_queues
        options: dict[str, Any] = {}
        if "batchSize" in given:
            options["batch_size"] = _number(given, "batchSize", 1, MAX_BATCH)
        if "newBatchThreshold" in given:
            options["new_batch_threshold"] = _number(given, "newBatchThreshold", 0)
        if "maxDequeueCount" in given:
            options["max_dequeue_count"] = _number(given, "maxDequeueCount", 1)
        if "visibilityTimeout" in given:
            options["visibility_timeout"] = _span(given, "visibilityTimeout")
        if "maxPollingInterval" in given:
            options["max_polling_interval"] = _polling(given, "maxPollingInterval")
        if "messageEncoding" in given:
            options["base64"] = _encoding(given, "messageEncoding") == "base64"
        return cls(**options)


def _wrong(key: str, value: object, wanted: str) -> ValueError:
    return ValueError(f"host.json: extensions.queues.{key} is {value!r}; it takes {wanted}.")


def _number(given: Mapping[str, Any], key: str, least: int, most: int | None = None) -> int:
    value = given[key]
    good = isinstance(value, int) and not isinstance(value, bool) and value >= least
    if not good or (most is not None and value > most):
        limits = f"from {least} to {most}" if most is not None else f"of {least} or more"
        raise _wrong(key, value, f"a whole number {limits}")
    return int(value)


def _span(given: Mapping[str, Any], key: str) -> timedelta:
    value = given[key]
    match = _SPAN.fullmatch(value) if isinstance(value, str) else None
    if not match or int(match[1]) > 23:
        raise _wrong(key, value, "a time span hh:mm:ss")
    return timedelta(hours=int(match[1]), minutes=int(match[2]), seconds=float(match[3]))


def _polling(given: Mapping[str, Any], key: str) -> timedelta:
    """A plain number is milliseconds, as in host.json of version 1."""
    value = given[key]
    if isinstance(value, int) and not isinstance(value, bool):
        interval = timedelta(milliseconds=value)
    else:
        interval = _span(given, key)
    if interval < _SHORTEST_POLL:
        raise _wrong(key, value, "at least 00:00:00.100")
    return interval


def _encoding(given: Mapping[str, Any], key: str) -> str:
    value = given[key]
    if not isinstance(value, str) or value.lower() not in _ENCODINGS:
        raise _wrong(key, value, " or ".join(f"'{name}'" for name in _ENCODINGS))
    return value.lower()
