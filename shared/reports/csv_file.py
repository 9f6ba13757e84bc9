"""The bill as a file for spreadsheets: RFC 4180 in UTF-8, one line for each booking.

The columns stay as they are; new ones come behind. For operators the platform's own share is a
line without a booking, so each column's sum is the total.

Spreadsheets keep 15 digits of a number, and a booking's id has 16: the last one becomes a 0. So
`booking` has it once more as text, in the audit trail's words (`booking/<id>`): an apostrophe would
be seen in some of them, and `="…"` is a formula.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import datetime

from shared.platform.clock import iso
from shared.platform.ids import PLATFORM_TENANT
from shared.reports.models import BookingUsage, Usage

COLUMNS = (
    "month",
    "tenant",
    "booking_id",
    "calls",
    "call_seconds",
    "call_minutes",
    "vm_seconds",
    "vm_minutes",
    "cost",
    "currency",
    "booking",
    "start_time",
    "end_time",
)

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def usage_csv(usage: Usage) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows([_cell(value) for value in row] for row in _rows(usage))
    return text.getvalue().encode()


def _rows(usage: Usage) -> Iterator[tuple[object, ...]]:
    for row in usage.bookings:
        named = (f"booking/{row.booking_id}", _time(row.start_time), _time(row.end_time))
        yield (usage.month, row.tenant, row.booking_id, *_figures(row), usage.currency, *named)
    if own := usage.platform:
        figures = (0, 0, "0.00", own.vm_seconds, f"{own.vm_minutes:.2f}", own.cost)
        yield (usage.month, PLATFORM_TENANT, "", *figures, usage.currency, "", "", "")


def _figures(row: BookingUsage) -> tuple[object, ...]:
    called, on = f"{row.call_minutes:.2f}", f"{row.vm_minutes:.2f}"
    return (row.calls, row.call_seconds, called, row.vm_seconds, on, row.cost)


def _time(moment: datetime | None) -> str:
    return iso(moment) if moment else ""


def _cell(value: object) -> str:
    """Spreadsheets run what begins like a formula; behind an apostrophe it is text.

    https://owasp.org/www-community/attacks/CSV_Injection
    """
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
