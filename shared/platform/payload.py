"""The base of every payload that goes over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, PlainSerializer

from shared.platform.clock import iso

MAX_SAFE_INTEGER = 2**53 - 1
"""Ids are JSON numbers that JavaScript must be able to hold."""


class Payload(BaseModel):
    """Unknown fields are refused, so that a misspelt one is a clear 400 and not ignored.

    Schemas are built at first use (`defer_build`): importing costs next to nothing.
    """

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)


class IceServer(Payload):
    """As browsers take it (RTCIceServer)."""

    urls: str | list[str]
    username: str | None = None
    credential: str | None = None


def _to_utc(moment: datetime) -> datetime:
    """Between the years 2 and 9998, so that whoever adds or takes a day stays in range."""
    if not 1 < moment.year < 9999:
        raise ValueError("should be a time between the years 2 and 9998")
    return moment.astimezone(UTC)


Utc = Annotated[
    AwareDatetime,
    AfterValidator(_to_utc),
    PlainSerializer(iso, return_type=str, when_used="json"),
]
"""A time with an offset, kept in UTC; one without is refused (design section 5)."""
