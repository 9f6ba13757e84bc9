"""The base of every payload that goes over HTTP."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
)
from pydantic_core import PydanticCustomError, core_schema

from shared.platform.clock import iso

MAX_SAFE_INTEGER = 2**53 - 1
"""Ids are JSON numbers that JavaScript must be able to hold."""

INVISIBLE = "\\x00-\\x1f\\x7f-\\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
"""Control characters, and those that hide or turn text round, as a class of a pattern."""


class Payload(BaseModel):
    """Unknown fields are refused, so that a misspelt one is a clear 400 and not ignored.

    Schemas are built at first use (`defer_build`): importing costs next to nothing.
    """

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)


class Written:
    """Metadata of a text with a form: `said` to whoever does not keep it, instead of that it has
    one; the pattern in the schema."""

    def __init__(self, pattern: str, said: str) -> None:
        self._pattern = pattern
        self._said = said

    def _check(self, value: str) -> str:
        if not re.fullmatch(self._pattern, value):
            raise ValueError(self._said)
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        return {**handler(schema), "pattern": self._pattern}


class IceServer(Payload):
    """As browsers take it (RTCIceServer)."""

    urls: str | list[str]
    username: str | None = None
    credential: str | None = None


def _written_moment(value: Any) -> Any:
    """Not a number, which pydantic takes for seconds since 1970, also as text in a query."""
    if isinstance(value, datetime) or _begins(value, r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d"):
        return value
    raise PydanticCustomError("datetime_written", "should be an RFC 3339 date and time")


def _written_day(value: Any) -> Any:
    if isinstance(value, date) or _begins(value, r"\d{4}-\d\d-\d\d$"):
        return value
    raise PydanticCustomError("date_written", "should be a date")


def _begins(value: Any, pattern: str) -> bool:
    return isinstance(value, str) and re.match(pattern, value) is not None


def _to_utc(moment: datetime) -> datetime:
    if not in_range(moment):
        raise ValueError("should be a time between the years 1900 and 9998")
    return moment.astimezone(UTC)


def in_range(moment: datetime) -> bool:
    """Whether whoever adds or takes a day, or another zone's hours, stays in range."""
    return 1900 <= moment.year < 9999


Utc = Annotated[
    AwareDatetime,
    BeforeValidator(_written_moment),
    AfterValidator(_to_utc),
    PlainSerializer(iso, return_type=str, when_used="json"),
]
"""A time with an offset, kept in UTC; one without is refused (design section 5)."""


def _near(moment: datetime) -> datetime:
    if not in_range(moment):
        raise ValueError("should be a time between the years 1900 and 9998")
    return moment


Moment = Annotated[datetime, BeforeValidator(_written_moment), AfterValidator(_near)]
"""A time with an offset or without one."""

Day = Annotated[date, BeforeValidator(_written_day)]
