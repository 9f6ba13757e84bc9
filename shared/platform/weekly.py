"""Times that come every week, as settings say them."""

from __future__ import annotations

import re
from datetime import time
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator

from shared.platform.payload import Payload

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def weekdays(text: str) -> frozenset[int]:
    """`mon-fri`, `sat,sun`, `fri-mon`; Monday is 0. Raises ValueError."""
    found: set[int] = set()
    for part in text.lower().split(","):
        names = [name.strip() for name in part.split("-")]
        if len(names) > 2 or not set(names) <= set(DAYS):
            raise ValueError("days should be like mon-fri or sat,sun")
        first, last = DAYS.index(names[0]), DAYS.index(names[-1])
        found |= {n % 7 for n in range(first, last + 1 + 7 * (last < first))}
    return frozenset(found)


def _wall_time(value: Any) -> Any:
    """Not seconds since midnight, which pydantic takes too, and no offset."""
    if isinstance(value, str) and re.fullmatch(r"\d\d:\d\d", value):
        return value
    raise ValueError("should be a time like 08:00")


WallTime = Annotated[time, BeforeValidator(_wall_time)]


class WeeklyWindow(Payload):
    """Local time. One that ends at its beginning or before it ends on the next day."""

    days: str
    since: WallTime = Field(alias="from")
    until: WallTime = Field(alias="to")
    machines: int = Field(ge=1, le=1000)

    @field_validator("days")
    @classmethod
    def _days(cls, value: str) -> str:
        weekdays(value)
        return value

    @property
    def weekdays(self) -> frozenset[int]:
        """The days on which it begins; Monday is 0."""
        return weekdays(self.days)
