"""Years of bookings, past or to come, written straight into the tables.

Copies of one real booking, so that they look as the system writes them, in batches of our own: the
SDK needs three times as long to write one as Azurite to carry it out.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from email.utils import format_datetime
from functools import partial
from typing import Any

import aiohttp

from shared.bookings.models import Booking
from shared.platform.clock import iso, stamp
from shared.platform.tables import Row, Tables, Value
from tests.azurite import ACCOUNT, KEY, Azurite

BATCH = 100
AT_ONCE = 4
DAYS = 360
LENGTH = timedelta(minutes=5)
"""Short enough for a day to take 278 of them, one after the other."""

BOOKERS = 10
"""The pattern's booker and nine others: Azurite looks through a whole partition at each insert, and
a list is a partition."""

AHEAD = 3000
"""Days from today on: behind those on which operations are measured, and near enough to be seen by
what looks ten years ahead."""

YOUNGEST = 2
"""Days ago: a list of what is to come looks back as far as a booking may last."""

Place = tuple[str, str]
"""Table and partition."""


async def fill(
    azurite: Azurite,
    tables: Tables,
    pattern: Booking,
    today: datetime,
    count: int,
    *,
    ahead: bool = False,
) -> None:
    """`count` bookings in the days before today, or far `ahead`, as `pattern` is stored; a tenth of
    the same booker."""
    own = [
        ("Calendar", row)
        for row in await tables.query("Calendar", _partition(pattern))
        if row.rk.endswith(f"|{pattern.booking_id}")
    ]
    hints = await tables.query("BookingIndex", f"{pattern.tenant}|{pattern.booker}")
    own += [("BookingIndex", r) for r in hints if r.rk.endswith(f"|{pattern.booking_id}")]
    assert [table for table, _ in own] == ["Calendar", "Calendar", "BookingIndex"], own
    templates = [(table, _template(row)) for table, row in own]
    first = AHEAD if ahead else -YOUNGEST - DAYS + 1
    rows = _copies(templates, pattern, _starts(today, first, count))
    some = asyncio.Semaphore(AT_ONCE)
    # Azurite closes a connection that rests for 5 s, perhaps just when we use it again.
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:
        for (table, _), entities in rows.items():
            for batch in (entities[n : n + BATCH] for n in range(0, len(entities), BATCH)):
                await some.acquire()
                work = group.create_task(_write(session, azurite, table, batch))
                work.add_done_callback(lambda _: some.release())


def _partition(booking: Booking) -> str:
    """The home; the digits after the day are the pool's."""
    digits = str(booking.booking_id)
    return f"{digits[8:10]}|{digits[:8]}"


def _template(row: Row) -> str:
    """As the service takes it: integers as text, with their type beside them."""
    entity: dict[str, Value] = {"PartitionKey": row.pk, "RowKey": row.rk}
    for name, value in row.data.items():
        if isinstance(value, int) and not isinstance(value, bool):
            entity |= {name: str(value), f"{name}@odata.type": "Edm.Int64"}
        else:
            entity[name] = value
    return json.dumps(entity)


def _copies(
    templates: Sequence[tuple[str, str]], pattern: Booking, starts: Iterable[tuple[int, datetime]]
) -> dict[Place, list[str]]:
    words = _words(pattern.booking_id, pattern.start, pattern.booker)
    either = re.compile("|".join(map(re.escape, words)))
    copies: dict[Place, list[str]] = defaultdict(list)
    for number, start in starts:
        own = int(f"{start:%Y%m%d}{_partition(pattern)[:2]}{number:06d}")
        other = number % BOOKERS
        booker = f"{pattern.booker}-{other}" if other else pattern.booker
        new = dict(zip(words, _words(own, start, booker), strict=True))
        for table, template in templates:
            text = either.sub(partial(_replacement, new), template)
            copies[table, json.loads(text)["PartitionKey"]].append(text)
    return copies


def _replacement(new: Mapping[str, str], found: re.Match[str]) -> str:
    return new[found[0]]


def _words(booking_id: int, start: datetime, booker: str) -> list[str]:
    """What tells a booking's rows from another's; none is the beginning of a later one."""
    times = [stamp(start), iso(start), iso(start + LENGTH), f"{start:%Y%m%d}"]
    return [str(booking_id), *times, booker]


def _starts(today: datetime, first: int, count: int) -> Iterator[tuple[int, datetime]]:
    """On `DAYS` days, the last one first; `first` counts from today."""
    midnight = datetime.combine(today.date(), time(), UTC)
    for number in range(count):
        slot, day = divmod(number, DAYS)
        yield number, midnight + timedelta(days=first + DAYS - 1 - day) + slot * LENGTH


async def _write(
    session: aiohttp.ClientSession, azurite: Azurite, table: str, entities: Sequence[str]
) -> None:
    """https://learn.microsoft.com/rest/api/storageservices/performing-entity-group-transactions"""
    root = f"http://127.0.0.1:{azurite.ports['table']}/{ACCOUNT}"
    parts = "".join(
        "--changeset_a\r\nContent-Type: application/http\r\n"
        "Content-Transfer-Encoding: binary\r\n\r\n"
        f"POST {root}/{table} HTTP/1.1\r\nContent-Type: application/json\r\n"
        "Accept: application/json;odata=minimalmetadata\r\nPrefer: return-no-content\r\n"
        f"DataServiceVersion: 3.0\r\n\r\n{entity}\r\n"
        for entity in entities
    )
    body = (
        "--batch_a\r\nContent-Type: multipart/mixed; boundary=changeset_a\r\n\r\n"
        f"{parts}--changeset_a--\r\n--batch_a--\r\n"
    )
    headers = {**_signed(f"/{ACCOUNT}/$batch"), "Content-Type": "multipart/mixed; boundary=batch_a"}
    async with session.post(f"{root}/$batch", data=body.encode(), headers=headers) as answer:
        text = await answer.text()
    assert text.count("HTTP/1.1 204") == len(entities), f"{answer.status} {text[:1000]}"


def _signed(path: str) -> dict[str, Any]:
    """https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key"""
    now = format_datetime(datetime.now(UTC), usegmt=True)
    what = f"{now}\n/{ACCOUNT}{path}".encode()
    signature = base64.b64encode(hmac.digest(base64.b64decode(KEY), what, hashlib.sha256)).decode()
    return {
        "Authorization": f"SharedKeyLite {ACCOUNT}:{signature}",
        "x-ms-date": now,
        "x-ms-version": "2019-02-02",
        "DataServiceVersion": "3.0",
        "Accept": "application/json",
    }
