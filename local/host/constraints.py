"""Route constraints: `{id:long}`, `{code:length(2,3)}`.

https://learn.microsoft.com/aspnet/core/fundamentals/routing#route-constraints
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

Check = Callable[[str], bool]

_INTEGER = re.compile(r"\s*[+-]?[0-9]+\s*")
_NUMBER = re.compile(r"\s*[+-]?([0-9][0-9,]*\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*")
_DECIMAL = re.compile(r"\s*[+-]?([0-9][0-9,]*\.?[0-9]*|\.[0-9]+)\s*")
_HEX = "[0-9a-fA-F]"
_GUID_D = f"{_HEX}{{8}}(-{_HEX}{{4}}){{3}}-{_HEX}{{12}}"
_GUID = re.compile(rf"{_HEX}{{32}}|{_GUID_D}|\{{{_GUID_D}\}}|\({_GUID_D}\)")


class UnknownConstraint(Exception):
    """The constraint's text."""


def make_check(name: str, argument: str | None) -> Check:
    """Raises `UnknownConstraint` for a name that does not exist or an argument it does not take."""
    try:
        if argument is None:
            return _PLAIN[name]
        return _WITH_ARGUMENT[name](argument)
    except (KeyError, ValueError, re.error):
        text = name if argument is None else f"{name}({argument})"
        raise UnknownConstraint(text) from None


def _integer(bits: int) -> Check:
    limit = 2 ** (bits - 1)

    def check(value: str) -> bool:
        number = _parsed(value)
        return number is not None and -limit <= number < limit

    return check


def _parsed(value: str) -> int | None:
    # Without the bound int() refuses thousands of digits with a ValueError.
    return int(value) if len(value) < 64 and _INTEGER.fullmatch(value) else None


def _between(low: int, high: int) -> Check:
    def check(value: str) -> bool:
        number = _parsed(value)
        return number is not None and low <= number <= high and _integer(64)(value)

    return check


def _date(value: str) -> bool:
    """ISO 8601 and the invariant culture's month/day/year; .NET guesses at more."""
    for parse in (
        datetime.fromisoformat,
        lambda text: datetime.strptime(text, "%m/%d/%Y"),  # noqa: DTZ007 (parsed, never kept)
        lambda text: datetime.strptime(text, "%m/%d/%Y %H:%M:%S"),  # noqa: DTZ007
    ):
        try:
            parse(value.strip())
        except ValueError:
            continue
        return True
    return False


def _length(argument: str) -> Check:
    low, _, high = argument.partition(",")
    least, most = int(low), int(high or low)
    return lambda value: least <= len(value) <= most


def _range(argument: str) -> Check:
    low, high = argument.split(",")
    return _between(int(low), int(high))


def _regex(argument: str) -> Check:
    pattern = re.compile(argument, re.IGNORECASE)
    return lambda value: pattern.search(value) is not None


def _min_length(argument: str) -> Check:
    least = int(argument)
    return lambda value: len(value) >= least


def _max_length(argument: str) -> Check:
    most = int(argument)
    return lambda value: len(value) <= most


_PLAIN: dict[str, Check] = {
    "int": _integer(32),
    "long": _integer(64),
    "bool": lambda value: value.strip().lower() in ("true", "false"),
    "guid": lambda value: _GUID.fullmatch(value.strip()) is not None,
    "alpha": lambda value: re.fullmatch("[a-zA-Z]*", value) is not None,
    "datetime": _date,
    "decimal": lambda value: _DECIMAL.fullmatch(value) is not None,
    "double": lambda value: _NUMBER.fullmatch(value) is not None,
    "float": lambda value: _NUMBER.fullmatch(value) is not None,
    "required": lambda value: value != "",
}

_WITH_ARGUMENT: dict[str, Callable[[str], Check]] = {
    "minlength": _min_length,
    "maxlength": _max_length,
    "length": _length,
    "min": lambda argument: _between(int(argument), 2**63 - 1),
    "max": lambda argument: _between(-(2**63), int(argument)),
    "range": _range,
    "regex": _regex,
}
