"""Several hosts, one storage: nothing is booked twice, whoever competes and whichever process dies.

Processes, not threads or tasks of one: they share nothing but the storage.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import UTC, datetime, time, timedelta

import aiohttp
import pytest

from shared.bookings.claims import CLAIM, Claim
from shared.platform.clock import iso
from shared.platform.tables import Row
from shared.platform.tables_azure import AzureTables
from tests.azurite import Azurite
from tests.integration.hosts import Answer, Client, Host, Hosts
from tests.local.queue_world import until

BOOKINGS = "/api/v1/bookings"
WIDE, NARROW = 10, 1
"""What the pools carry at the same time; the first is pool 0, the second pool 1."""

AHEAD = timedelta(seconds=75)
"""More than a pending claim is left alone for, or a key that is in flight: a host whose clock is so
wrong takes all that it meets for what a dead process has left."""

DAYS = itertools.count(3)
"""A day of its own for each test, too far ahead for any machine to be wanted."""

MOMENT = timedelta(microseconds=1)
PATIENCE = 30.0


@pytest.fixture(scope="module")
def storage() -> Iterator[Azurite]:
    """Of these tests alone: every host takes messages from the queues."""
    server = Azurite()
    yield server
    server.destroy()


@pytest.fixture(scope="module")
def hosts(storage: Azurite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    started = Hosts(
        tmp_path_factory.mktemp("wide"), storage.connection, 3, local_vms=1, vm_capacity=WIDE
    )
    yield started
    started.stop()


@pytest.fixture(scope="module")
def narrow(storage: Azurite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    folder, settings = tmp_path_factory.mktemp("narrow"), {"local_vms": 1, "vm_capacity": NARROW}
    started = Hosts(folder, storage.connection, 2, relays=False, pool=1, **settings)
    started.add(ahead=AHEAD)
    yield started
    started.stop()


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield Client(session)


@pytest.fixture
async def tables(storage: Azurite) -> AsyncIterator[AzureTables]:
    tables = AzureTables(storage.connection)
    yield tables
    await tables.close()


def midnight(day: int) -> datetime:
    """At which the day begins that is so many days from now."""
    return datetime.combine(datetime.now(UTC).date() + timedelta(days=day), time(), UTC)


def interval(start: datetime, minutes: int) -> dict[str, object]:
    return {"start_time": iso(start), "end_time": iso(start + timedelta(minutes=minutes))}


async def rows(tables: AzureTables, pool: int, days: Iterable[int], prefix: str) -> list[Row]:
    pks = [f"{pool:02d}|{midnight(day):%Y%m%d}" for day in days]
    found = await asyncio.gather(
        *(tables.query("Calendar", pk, prefix, prefix[:-1] + "}") for pk in pks)
    )
    return [row for each in found for row in each]


async def claims(tables: AzureTables, pool: int, days: Iterable[int]) -> list[Claim]:
    return [Claim.from_row(row) for row in await rows(tables, pool, days, CLAIM)]


def check(found: list[Claim], capacity: int) -> None:
    """Each booking has one claim on each of its days; never is a room taken twice, nor are more
    taken than the machines carry."""
    places = Counter((claim.booking_id, claim.pk) for claim in found)
    assert max(places.values()) == 1, "a booking has one claim a day"
    bookings = {claim.booking_id: claim for claim in found}.values()
    for one in bookings:
        days = (one.end - MOMENT).date() - one.start.date()
        own = [claim for claim in found if claim.booking_id == one.booking_id]
        assert len(own) == days.days + 1, f"{own}: a claim on each of its days, and no other"
        beside = [other for other in bookings if other.overlaps(one.start, one.start + MOMENT)]
        beside.remove(one)
        assert len(beside) < capacity, f"{one} is one too many: {beside}"
        assert one.room_id not in {other.room_id for other in beside}, (
            f"{one} shares its room: {beside}"
        )


async def left_the_outbox(tables: AzureTables, pool: int, days: Iterable[int]) -> None:
    """Every event has been carried away."""

    async def empty() -> bool:
        return not await rows(tables, pool, days, "o|")

    await until(empty, PATIENCE)


async def settled(tables: AzureTables, pool: int, days: range) -> None:
    """No claim waits for a decision."""

    async def firm() -> bool:
        return not any(claim.pending for claim in await claims(tables, pool, days))

    await until(firm, PATIENCE)


def outcomes(answers: list[Answer]) -> Counter[tuple[int, str]]:
    return Counter((answer.status, answer.code) for answer in answers)


def booked(answers: list[Answer]) -> set[int]:
    return {answer.body["booking_id"] for answer in answers if answer.status == 201}


async def test_one_slot_of_one_room_has_one_winner(
    hosts: Hosts, client: Client, tables: AzureTables
) -> None:
    day = next(DAYS)
    made = await client.ask(hosts.all[0], "POST", "/api/v1/rooms", {})
    body = interval(midnight(day) + timedelta(hours=9), 60) | {"room_id": made.body["room_id"]}
    answers = await asyncio.gather(
        *(
            client.persist(host, BOOKINGS, body, user=f"racer-{n}")
            for n, host in zip(range(50), itertools.cycle(hosts.all), strict=False)
        )
    )
    assert outcomes(answers) == {(201, ""): 1, (409, "room_taken"): 49}
    [won] = booked(answers)
    assert [c.booking_id for c in await claims(tables, 0, range(day, day + 1))] == [won]
    await left_the_outbox(tables, 0, range(day, day + 1))
    trail = await client.ask(
        hosts.all[1], "GET", "/api/v1/audit?action=booking.create&limit=100", roles=("admin",)
    )
    written = [e["subject"] for e in trail.body if e["actor"].startswith("racer-")]
    assert written == [f"booking/{won}"]


async def test_one_interval_takes_what_the_pool_carries(
    hosts: Hosts, client: Client, tables: AzureTables
) -> None:
    day = next(DAYS)
    body = interval(midnight(day) + timedelta(hours=9), 60)
    answers = await asyncio.gather(
        *(
            client.insist(host, BOOKINGS, body, f"place-{n}", user=f"user-{n}")
            for n, host in zip(range(64), itertools.cycle(hosts.all), strict=False)
        )
    )
    assert outcomes(answers) == {(201, ""): WIDE, (409, "capacity_exhausted"): 64 - WIDE}
    found = await claims(tables, 0, range(day, day + 1))
    assert len(found) == len({claim.room_id for claim in found}) == WIDE
    check(found, WIDE)


async def test_a_request_sent_twenty_times_at_once_books_once(
    hosts: Hosts, client: Client, tables: AzureTables
) -> None:
    day = next(DAYS)
    body = interval(midnight(day) + timedelta(hours=9), 60)
    key = {"Idempotency-Key": "one-and-the-same"}

    async def book(n: int) -> Answer:
        return await client.persist(hosts.all[n % 3], BOOKINGS, body, **key)

    answers = await asyncio.gather(*(book(n) for n in range(20)))
    assert set(outcomes(answers)) <= {(201, ""), (409, "idempotency_in_flight")}
    answers += [await book(n) for n in range(3)]  # by now the first one has ended
    done = [answer for answer in answers if answer.status == 201]
    assert len([a for a in done if "Idempotency-Replayed" not in a.headers]) == 1
    assert all(answer.body == done[0].body for answer in done)
    assert [answer.status for answer in answers[-3:]] == [201] * 3
    assert booked(done) == {c.booking_id for c in await claims(tables, 0, range(day, day + 1))}
    assert len(await rows(tables, 0, range(day, day + 1), "m|")) == 1


async def test_around_midnight_nothing_overlaps(
    narrow: Hosts, client: Client, tables: AzureTables
) -> None:
    """Pairs of bookings that touch the same midnight compete for the only place, one host of the
    three with a clock that takes everybody else's claims for abandoned ones."""
    nights, first, chance = 24, 100, random.Random(7)
    wanted = []
    for night, _ in itertools.product(range(nights), range(4)):
        turn = midnight(first + 2 * night + 1)
        start = turn - timedelta(minutes=chance.randrange(-30, 120))
        wanted.append((night, interval(start, chance.randrange(30, 150))))
    answers = await asyncio.gather(
        *(
            client.insist(
                chance.choice(narrow.alive), BOOKINGS, body, f"night-{n}", user=f"user-{n}"
            )
            for n, (_, body) in enumerate(wanted)
        )
    )
    assert set(outcomes(answers)) == {(201, ""), (409, "capacity_exhausted")}
    days = range(first, first + 2 * nights + 1)
    found = await claims(tables, 1, days)
    check(found, NARROW)
    assert not [claim for claim in found if claim.pending]
    assert {claim.booking_id for claim in found} == booked(answers)
    winners = zip(wanted, answers, strict=True)
    assert {night for (night, _), answer in winners if answer.status == 201} == set(range(nights))


async def test_a_host_that_is_killed_leaves_nothing_behind(
    narrow: Hosts, client: Client, tables: AzureTables
) -> None:
    """It had taken a later day and not yet the booking's own, or had just done so. The sweep runs
    on the host whose clock is ahead: to that one, such claims are old enough."""
    victim, survivor, sweeping = narrow.all
    nights, first = 20, 200
    days = range(first, first + 2 * nights)
    bodies = [interval(midnight(day + 1) - timedelta(minutes=30), 60) for day in days[::2]]
    some = asyncio.Semaphore(8)

    async def book(host: Host, night: int, key: str) -> Answer:
        async with some:
            user = f"night-{night}"
            return await client.insist(host, BOOKINGS, bodies[night], key, user=user)

    # In every other night they compete; the rest are the victim's alone.
    places = [(h, n, h.url) for n in range(nights) for h in (victim, survivor)[: 1 + n % 2]]
    burst = [asyncio.ensure_future(book(*place)) for place in places]
    await until(lambda: sum(task.done() for task in burst) > 8)
    await stopped_with_claims_pending(tables, victim, days[::4])
    victim.kill()
    ended = await asyncio.gather(*burst, return_exceptions=True)
    answers = [answer for answer in ended if isinstance(answer, Answer)]
    lost = [place for place, e in zip(places, ended, strict=True) if not isinstance(e, Answer)]
    assert lost

    await client.fire(sweeping, "calendar_sweep")
    await settled(tables, 1, days)
    await agreed(client, survivor, tables, days, answers)
    answers += await asyncio.gather(*(book(sweeping, n, key) for _, n, key in lost))
    assert set(outcomes(answers)) == {(201, ""), (409, "capacity_exhausted")}
    await agreed(client, survivor, tables, days, answers)
    homes = {claim.home for claim in await claims(tables, 1, days)}
    assert len(homes) == nights, "each night is booked: those who were cut off came again"


async def stopped_with_claims_pending(tables: AzureTables, host: Host, nights: range) -> None:
    """Stops the process at a moment when some of its claims wait for their decision."""

    async def stopped() -> bool:
        host.process.send_signal(signal.SIGSTOP)
        if any(claim.pending for claim in await claims(tables, 1, [n + 1 for n in nights])):
            return True
        host.process.send_signal(signal.SIGCONT)
        return False

    await until(stopped)


async def agreed(
    client: Client, host: Host, tables: AzureTables, days: range, answers: list[Answer]
) -> None:
    """The claims, the bookings, what the bookers were told and what they see listed."""
    await left_the_outbox(tables, 1, days)
    found = await claims(tables, 1, days)
    check(found, NARROW)
    stored = {int(row.data["booking_id"]): row for row in await rows(tables, 1, days, "m|")}
    assert {claim.booking_id for claim in found} == set(stored)
    assert booked(answers) <= set(stored)
    for booker in {str(row.data["booker"]) for row in stored.values()}:
        listed = await client.ask(host, "GET", BOOKINGS, user=booker)
        own = {number for number, row in stored.items() if row.data["booker"] == booker}
        assert {each["booking_id"] for each in listed.body} == own
