"""Keeps an event's data small enough for a row, whatever it tells of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

MOST = 24_000
"""Characters of JSON: a property holds 32 K, and there is the envelope."""


def fitted(data: dict[str, Any], most: int = MOST) -> dict[str, Any]:
    """Cuts the longest list by half until all fits. How many there were is told beside each."""
    while len(json.dumps(data, ensure_ascii=False)) > most:
        longest = max(_lists(data), key=len)
        del longest[(len(longest) + 1) // 2 :]
    return data


def _lists(data: dict[str, Any]) -> Iterator[list[Any]]:
    for value in data.values():
        if isinstance(value, list) and len(value) > 1:
            yield value
        elif isinstance(value, dict):
            yield from _lists(value)
