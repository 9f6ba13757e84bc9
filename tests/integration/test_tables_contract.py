"""One contract for every adapter of the tables port, and the faults of a real server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from itertools import chain, repeat
from uuid import uuid4

import pytest

from shared.platform import tables_azure
from shared.platform.tables import (
    Conflict,
    Delete,
    Insert,
    Op,
    Replace,
    StorageUnavailable,
    Tables,
    Upsert,
    Value,
)
from shared.platform.tables_azure import AzureTables
from tests.azurite import Azurite
from tests.fakes.tables import FakeTables
from tests.proxy import Fault, Proxy


@pytest.fixture(params=["fake", "azurite"])
async def tables(request: pytest.FixtureRequest) -> AsyncIterator[Tables]:
    adapter: Tables
    if request.param == "fake":
        adapter = FakeTables()
    else:
        adapter = AzureTables(request.getfixturevalue("azurite").connection)
    yield adapter
    await adapter.close()


@pytest.fixture
def table() -> str:
    return f"T{uuid4().hex}"


async def keys(tables: Tables, table: str, pk: str = "p") -> list[str]:
    return [row.rk for row in await tables.query(table, pk)]


async def etag(tables: Tables, table: str, rk: str) -> str:
    row = await tables.get(table, "p", rk)
    assert row
    return row.etag


async def test_a_missing_table_reads_as_empty(tables: Tables, table: str) -> None:
    assert await tables.get(table, "p", "r") is None
    assert await tables.query(table, "p") == []
    assert await tables.scan(table, ("a", "z"), ("a", "z"), {}) == []


async def test_the_first_write_of_many_creates_the_table(tables: Tables, table: str) -> None:
    rks = [f"r{n}" for n in range(8)]
    await asyncio.gather(*(tables.commit(table, "p", [Insert(rk, {})]) for rk in rks))
    assert await keys(tables, table) == rks


async def test_insert(tables: Tables, table: str) -> None:
    await tables.commit(table, "p", [Insert("r", {"a": 1})])
    row = await tables.get(table, "p", "r")
    assert row
    assert (row.pk, row.rk, row.data) == ("p", "r", {"a": 1})
    assert row.etag
    with pytest.raises(Conflict):
        await tables.commit(table, "p", [Insert("r", {"a": 2})])
    assert await tables.get(table, "p", "r") == row


async def test_replace_takes_the_stored_etag_and_drops_other_properties(
    tables: Tables, table: str
) -> None:
    await tables.commit(table, "p", [Insert("r", {"a": 1, "b": 2})])
    first = await etag(tables, table, "r")
    await tables.commit(table, "p", [Replace("r", {"a": 3}, first)])
    row = await tables.get(table, "p", "r")
    assert row
    assert row.data == {"a": 3}
    assert row.etag != first
    for stale in (first, ""):
        with pytest.raises(Conflict):
            await tables.commit(table, "p", [Replace("r", {"a": 4}, stale)])
    with pytest.raises(Conflict):
        await tables.commit(table, "p", [Replace("missing", {}, row.etag)])
    assert await tables.get(table, "p", "r") == row


async def test_replace_in_a_missing_table_conflicts(tables: Tables, table: str) -> None:
    with pytest.raises(Conflict):
        await tables.commit(table, "p", [Replace("r", {}, 'W/"1"')])


async def test_upsert_inserts_or_replaces(tables: Tables, table: str) -> None:
    await tables.commit(table, "p", [Upsert("r", {"a": 1, "b": 2})])
    await tables.commit(table, "p", [Upsert("r", {"a": 3})])
    row = await tables.get(table, "p", "r")
    assert row
    assert row.data == {"a": 3}


async def test_delete(tables: Tables, table: str) -> None:
    await tables.commit(table, "p", [Insert("r", {}), Insert("s", {})])
    first = await etag(tables, table, "r")
    await tables.commit(table, "p", [Upsert("r", {})])
    with pytest.raises(Conflict):
        await tables.commit(table, "p", [Delete("r", first)])
    await tables.commit(table, "p", [Delete("r", await etag(tables, table, "r"))])
    await tables.commit(table, "p", [Delete("s")])
    assert await keys(tables, table) == []
    for gone in (Delete("r"), Delete("r", first)):
        with pytest.raises(Conflict):
            await tables.commit(table, "p", [gone])


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize(
    "bad", [Insert("head", {}), Replace("head", {}, 'W/"0"'), Delete("gone"), Delete("head", "x")]
)
async def test_a_transaction_does_all_or_nothing(
    tables: Tables, table: str, bad: Insert | Replace | Delete, position: int
) -> None:
    await tables.commit(table, "p", [Insert("head", {"n": 1}), Insert("old", {})])
    before = await tables.query(table, "p")
    ops: list[Op] = [Insert("new", {}), Upsert("old", {"x": 1})]
    if isinstance(bad, Delete) and bad.etag:
        bad = Delete("head", "W/\"datetime'2020-01-01T00%3A00%3A00.0000000Z'\"")
    with pytest.raises(Conflict):
        await tables.commit(table, "p", [*ops[:position], bad, *ops[position:]])
    assert await tables.query(table, "p") == before


async def test_a_transaction_of_every_kind(tables: Tables, table: str) -> None:
    await tables.commit(table, "p", [Insert("a", {}), Insert("b", {}), Insert("c", {})])
    head = await etag(tables, table, "a")
    ops: list[Op] = [Replace("a", {"n": 2}, head), Delete("b")]
    ops += [Upsert("c", {"n": 3}), Insert("d", {"n": 4})]
    await tables.commit(table, "p", ops)
    rows = {row.rk: row.data for row in await tables.query(table, "p")}
    assert rows == {"a": {"n": 2}, "c": {"n": 3}, "d": {"n": 4}}


async def test_a_transaction_takes_1_to_100_rows_each_once(tables: Tables, table: str) -> None:
    rows: list[Op] = [Insert(f"{n:03}", {"text": "x" * 1000}) for n in range(101)]
    wrongs: list[list[Op]] = [[], rows, [Insert("r", {}), Upsert("r", {})]]
    for wrong in wrongs:
        with pytest.raises(ValueError, match="1 to 100 rows"):
            await tables.commit(table, "p", wrong)
    await tables.commit(table, "p", rows[:100])
    assert len(await tables.query(table, "p")) == 100


async def test_ranges_are_half_open_and_ordered(tables: Tables, table: str) -> None:
    rks = ["a", "b|1", "b|10", "b|2", "c", "~", "é"]
    await tables.commit(table, "p", [Insert(rk, {}) for rk in reversed(rks)])
    await tables.commit(table, "other", [Insert("b|1", {})])

    async def between(start: str, end: str, limit: int = 0) -> list[str]:
        return [row.rk for row in await tables.query(table, "p", start, end, limit)]

    assert await between("", "") == rks
    assert await between("b|", "b}") == ["b|1", "b|10", "b|2"]
    assert await between("b|10", "c") == ["b|10", "b|2"]
    assert await between("c", "") == ["c", "~", "é"]
    assert await between("", "b") == ["a"]
    assert await between("x", "y") == []
    assert await between("", "", 2) == ["a", "b|1"]
    assert await between("b|", "", 1) == ["b|1"]


async def test_more_rows_than_a_page(tables: Tables, table: str) -> None:
    rks = [f"{n:05}" for n in range(1150)]
    for start in range(0, len(rks), 100):
        await tables.commit(table, "p", [Insert(rk, {}) for rk in rks[start : start + 100]])
    assert await keys(tables, table) == rks
    assert [row.rk for row in await tables.query(table, "p", limit=1050)] == rks[:1050]
    await tables.commit(table, "p2", [Insert("0", {}), Insert("00000", {"n": 1})])
    everything = [("p", rk) for rk in rks] + [("p2", "0"), ("p2", "00000")]

    async def scanned(limit: int = 0) -> list[tuple[str, str]]:
        rows = await tables.scan(table, ("p", "q"), ("0", "9"), {}, limit=limit)
        return [(row.pk, row.rk) for row in rows]

    assert await scanned() == everything
    assert await scanned(limit=1050) == everything[:1050]
    found = await tables.scan(table, ("p", "q"), ("0", "9"), {"n": 1})
    assert [(row.pk, row.rk) for row in found] == [("p2", "00000")]


@pytest.mark.parametrize(
    "value",
    [
        *("", "text", "Sala é 会議 😀", 'it\'s "quoted"', "a\nb\tc", "<&>%20+", " edges "),
        *("2026-06-10T09:00:00Z", "123", "true", "null", "x" * 32_768, "😀" * 16_384),
        *(0, 1, -1, 2**31, 2**53 - 1, -(2**53) + 1, 2**63 - 1, -(2**63)),
        *(True, False, 0.5, 1.0, -2.5e-7, 1e300),
    ],
    ids=lambda value: repr(value)[:24],
)
async def test_values_come_back_with_their_types(tables: Tables, table: str, value: Value) -> None:
    await tables.commit(table, "p", [Insert("r", {"value": value})])
    row = await tables.get(table, "p", "r")
    assert row
    assert row.data == {"value": value}
    assert type(row.data["value"]) is type(value)
    assert (await tables.query(table, "p"))[0] == row


@pytest.mark.parametrize(
    "key", ["0|20260610", "it's", "é 会議", "a b+c%d&e=f", '"q"', "o|evt_1", "@start", "x,y;z:()"]
)
async def test_keys_of_all_sorts(tables: Tables, table: str, key: str) -> None:
    await tables.commit(table, key, [Insert(key, {"n": 1}), Insert(key + "2", {})])
    row = await tables.get(table, key, key)
    assert row
    assert (row.pk, row.rk) == (key, key)
    assert await tables.query(table, key, key, key + "1") == [row]
    await tables.commit(table, key, [Replace(key, {"n": 2}, row.etag), Delete(key + "2")])
    assert [r.data for r in await tables.query(table, key)] == [{"n": 2}]


async def test_scan_crosses_partitions_and_filters(tables: Tables, table: str) -> None:
    for pk in ("0|20260609", "0|20260610", "0|20260611"):
        ops = [
            Insert("a", {}),
            Insert("m|1", {"who": "it's @me", "n": 1, "on": True}),
            Insert("m|2", {"who": "other", "n": 2**40, "on": False}),
        ]
        await tables.commit(table, pk, ops)
    pks, rks = ("0|20260609", "0|20260611"), ("m|", "m}")

    async def found(**where: Value) -> list[tuple[str, str]]:
        return [(row.pk[-2:], row.rk) for row in await tables.scan(table, pks, rks, where)]

    assert await found() == [("09", "m|1"), ("09", "m|2"), ("10", "m|1"), ("10", "m|2")]
    assert await found(who="it's @me") == [("09", "m|1"), ("10", "m|1")]
    assert await found(n=1) == await found(on=True) == [("09", "m|1"), ("10", "m|1")]
    assert await found(n=2**40, on=False) == [("09", "m|2"), ("10", "m|2")]
    assert await found(who="nobody") == []


async def test_a_scan_goes_on_right_behind_a_row(tables: Tables, table: str) -> None:
    """A space sorts before whatever a longer key goes on with."""
    for pk in ("t|00", "t|00|x", "t|01"):
        await tables.commit(table, pk, [Insert(rk, {}) for rk in ("0001", "00010", "0002")])

    async def found(pks: tuple[str, str], start: str) -> list[tuple[str, str]]:
        return [(row.pk, row.rk) for row in await tables.scan(table, pks, (start, ":"), {})]

    assert await found(("t|00", "t|00 "), "0001 ") == [("t|00", "00010"), ("t|00", "0002")]
    assert await found(("t|00 ", "\ufffd"), "0002") == [("t|00|x", "0002"), ("t|01", "0002")]


async def test_scan_stops_at_its_limit(tables: Tables, table: str) -> None:
    for pk in ("p2", "p1"):
        await tables.commit(table, pk, [Insert("a", {"n": 1}), Insert("b", {"n": 2})])

    async def found(limit: int, **where: Value) -> list[tuple[str, str]]:
        rows = await tables.scan(table, ("p", "q"), ("a", "z"), where, limit=limit)
        return [(row.pk, row.rk) for row in rows]

    assert await found(3) == [("p1", "a"), ("p1", "b"), ("p2", "a")]
    assert await found(1, n=2) == [("p1", "b")]
    assert len(await found(9)) == len(await found(0)) == 4


async def test_one_writer_wins_each_round(tables: Tables, table: str) -> None:
    await tables.commit(table, "p", [Insert("a", {"round": 0})])
    for number in range(1, 6):
        head = await etag(tables, table, "a")

        async def write(writer: int, head: str = head, number: int = number) -> bool:
            ops: list[Op] = [
                Replace("a", {"round": number}, head),
                Insert(f"b|{number}|{writer}", {}),
            ]
            try:
                await tables.commit(table, "p", ops)
            except Conflict:
                return False
            return True

        won = await asyncio.gather(*(write(writer) for writer in range(16)))
        assert won.count(True) == 1
        rows = await tables.query(table, "p", f"b|{number}|", f"b|{number}}}")
        assert [row.rk for row in rows] == [f"b|{number}|{won.index(True)}"]


async def test_ping(tables: Tables) -> None:
    await tables.ping(5)


# What only the real adapter has.


@pytest.fixture
async def azure(azurite: Azurite) -> AsyncIterator[AzureTables]:
    adapter = AzureTables(azurite.connection)
    yield adapter
    await adapter.close()


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ({"text": "x" * 32_769}, ValueError),
        ({"text": "😀" * 16_385}, ValueError),
        ({"number": 2**63}, ValueError),
        ({"RowKey": "x"}, ValueError),
        ({"nothing": None}, TypeError),
    ],
    ids=["long", "long in UTF-16", "wide", "key", "none"],
)
async def test_what_a_row_cant_hold(
    tables: Tables, table: str, data: dict[str, Value], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await tables.commit(table, "p", [Insert("r", data)])


async def refused(tables: Tables, seconds: float) -> None:
    """Every verb says StorageUnavailable within `seconds`."""
    verbs = [
        tables.get("Faults", "p", "r"),
        tables.query("Faults", "p"),
        tables.commit("Faults", "p", [Insert("lost", {})]),
    ]
    started = time.monotonic()
    results = await asyncio.gather(*verbs, return_exceptions=True)
    assert [type(result) for result in results] == [StorageUnavailable] * len(verbs)
    assert time.monotonic() - started < seconds


async def test_stopped_and_started_again(own_azurite: Azurite) -> None:
    tables = AzureTables(own_azurite.connection)
    await tables.commit("Faults", "p", [Insert("r", {"n": 1})])
    own_azurite.stop()
    await refused(tables, 3)
    with pytest.raises(StorageUnavailable):
        await tables.ping(1)
    own_azurite.start()
    assert await keys(tables, "Faults") == ["r"]
    await tables.commit("Faults", "p", [Insert("s", {})])
    await tables.close()


async def test_hung(own_azurite: Azurite) -> None:
    tables = AzureTables(own_azurite.connection)
    await tables.commit("Faults", "p", [Insert("r", {"n": 1})])
    own_azurite.pause()
    started = time.monotonic()
    with pytest.raises(StorageUnavailable):
        await tables.ping(0.3)
    assert 0.3 <= time.monotonic() - started < 1.3
    await refused(tables, 11)
    own_azurite.resume()
    assert await tables.get("Faults", "p", "r")
    await tables.ping(5)
    await tables.close()


@pytest.mark.parametrize("fault", ["request", "answer"])
async def test_a_cut_connection(azurite: Azurite, table: str, fault: Fault) -> None:
    async with Proxy(azurite.ports["table"]) as proxy:
        tables = AzureTables(azurite.connection_at(table=proxy.port))
        await tables.commit(table, "p", [Insert("a", {"n": 1})])
        head = await etag(tables, table, "a")
        proxy.cut(fault)
        # Conflict when the client has sent it again, and met its own rows.
        with pytest.raises((StorageUnavailable, Conflict)):
            await tables.commit(table, "p", [Replace("a", {"n": 2}, head), Insert("b", {})])
        assert proxy.cuts == 1
        rows = {row.rk: row.data for row in await tables.query(table, "p")}
        done = {"a": {"n": 2}, "b": {}}
        assert rows == (done if fault == "answer" else {"a": {"n": 1}})
        await tables.close()


@pytest.mark.parametrize("fault", ["request", "answer"])
async def test_reading_survives_a_cut_connection(
    azurite: Azurite, table: str, fault: Fault
) -> None:
    async with Proxy(azurite.ports["table"]) as proxy:
        tables = AzureTables(azurite.connection_at(table=proxy.port))
        await tables.commit(table, "p", [Insert("a", {"n": 1})])
        proxy.cut(fault)
        assert await tables.get(table, "p", "a")
        assert proxy.cuts == 1
        proxy.cut(fault, times=1000)
        with pytest.raises(StorageUnavailable):
            await tables.query(table, "p")
        await tables.close()


@pytest.fixture
async def paged(
    azurite: Azurite, table: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[AzureTables, Proxy]]:
    """60 rows on pages of 10, and a second for each call."""
    monkeypatch.setattr(tables_azure, "_PAGE", 10)
    monkeypatch.setattr(tables_azure, "CALL_SECONDS", 1.0)
    async with Proxy(azurite.ports["table"]) as proxy:
        tables = AzureTables(azurite.connection_at(table=proxy.port))
        await tables.commit(table, "p", [Insert(f"{n:02}", {}) for n in range(60)])
        yield tables, proxy
        await tables.close()


async def test_many_pages_may_take_longer_than_one_call(
    paged: tuple[AzureTables, Proxy], table: str
) -> None:
    tables, proxy = paged
    proxy.lags = repeat(0.25)
    started = time.monotonic()
    assert len(await tables.query(table, "p")) == 60
    assert time.monotonic() - started > 1
    assert len(await tables.scan(table, ("p", "q"), ("0", "9"), {})) == 60


@pytest.mark.parametrize("verb", ["query", "scan"])
async def test_a_page_that_hangs(paged: tuple[AzureTables, Proxy], table: str, verb: str) -> None:
    tables, proxy = paged
    proxy.lags = chain([0, 0], repeat(60))
    work = {
        "query": lambda: tables.query(table, "p"),
        "scan": lambda: tables.scan(table, ("p", "q"), ("0", "9"), {}),
    }
    started = time.monotonic()
    with pytest.raises(StorageUnavailable):
        await work[verb]()
    assert 1 <= time.monotonic() - started < 2.5
    proxy.lags = iter(())
    assert await tables.get(table, "p", "59")


async def test_a_commit_tells_the_etags_of_what_it_wrote(tables: Tables, table: str) -> None:
    await tables.commit(table, "p", [Insert("old", {}), Insert("gone", {})])
    old = await etag(tables, table, "old")
    ops: list[Op] = [Replace("old", {"a": 1}, old), Insert("new", {}), Upsert("any", {})]
    told = await tables.commit(table, "p", [*ops, Delete("gone")])
    assert told.keys() == {"old", "new", "any"}
    for rk, tag in told.items():
        assert tag == await etag(tables, table, rk)
