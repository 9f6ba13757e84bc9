"""IANA's time zones, by its own list: a machine may know `right/…`, `localtime` and others."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def zones() -> frozenset[str]:
    listed = files("tzdata").joinpath("zones").read_text("utf-8").split()
    return frozenset(listed) - {"Factory"}
