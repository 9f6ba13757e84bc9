"""The ledger: when each machine was on, and what it carried. Reports and bills come of it.

Rows of the pool's partition, so that each commits with the change that it tells of. A machine that
stays on for days has a row for each stretch of a day or so, which follow each other without a gap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.platform.clock import iso, parse, stamp
from shared.platform.tables import Row, Value

LONGEST = timedelta(hours=24)
"""A stretch that has become longer than this is closed, and the next one begins there."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A machine was on during [start, end): from our asking it to start, or our finding it on,
    until it was seen off. `price` is that of an hour, in the setting's currency, as it then was."""

    vm: str
    start: datetime
    end: datetime
    region: str
    spot: bool
    price: str

    @property
    def rk(self) -> str:
        return f"b|{stamp(self.start)}|{self.vm}"

    def to_row(self) -> dict[str, Value]:
        return {
            "vm": self.vm,
            "start": iso(self.start),
            "end": iso(self.end),
            "region": self.region,
            "spot": self.spot,
            "price": self.price,
        }

    @classmethod
    def from_row(cls, row: Row) -> Stretch:
        data: Mapping[str, Any] = row.data
        return cls(
            vm=data["vm"],
            start=parse(data["start"]),
            end=parse(data["end"]),
            region=data["region"],
            spot=data["spot"],
            price=data["price"],
        )


@dataclass(frozen=True, slots=True)
class Carriage:
    """A machine carried a booking during [start, end): from the booking's start, or its coming
    from another machine, until it was over, its people had gone, or it moved on. One that was
    cancelled before it began has start == end: the machine may have been started for it."""

    booking_id: int
    tenant: str
    vm: str
    start: datetime
    end: datetime

    @property
    def rk(self) -> str:
        return f"c|{stamp(self.start)}|{self.booking_id}|{self.vm}"

    def to_row(self) -> dict[str, Value]:
        return {
            "booking_id": self.booking_id,
            "tenant": self.tenant,
            "vm": self.vm,
            "start": iso(self.start),
            "end": iso(self.end),
        }

    @classmethod
    def from_row(cls, row: Row) -> Carriage:
        data: Mapping[str, Any] = row.data
        return cls(
            booking_id=data["booking_id"],
            tenant=data["tenant"],
            vm=data["vm"],
            start=parse(data["start"]),
            end=parse(data["end"]),
        )
