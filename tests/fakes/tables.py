"""The tables port in memory, with the semantics of Azure Tables. Counts its requests."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import count

from shared.platform.tables import Conflict, Delete, Insert, Op, Replace, Row, Upsert, Value


class FakeTables:
    """`requests` records (verb, table, pk) in order. `fail` is called before each request and
    again, with verb + '!', after it took effect: a test raises there to lose either."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], dict[str, Row]] = {}
        self.requests: list[tuple[str, str, str]] = []
        self.fail = lambda verb, table, pk: None
        self._etags = count(1)
        self._sorted: dict[tuple[str, str], tuple[dict[str, Row], list[str]]] = {}

    async def get(self, table: str, pk: str, rk: str) -> Row | None:
        await self._request("get", table, pk)
        return self.rows.get((table, pk), {}).get(rk)

    async def query(
        self, table: str, pk: str, start: str = "", end: str = "", limit: int = 0
    ) -> list[Row]:
        await self._request("query", table, pk)
        rows, keys = self.rows.get((table, pk), {}), self._keys(table, pk)
        last = bisect_left(keys, end) if end else len(keys)
        found = [rows[rk] for rk in keys[bisect_left(keys, start) : last]]
        return found[:limit] if limit else found

    def _keys(self, table: str, pk: str) -> list[str]:
        """In order. They are sorted once for each state of the partition, which a commit replaces:
        a simulation asks the same long partition again and again."""
        rows = self.rows.get((table, pk), {})
        known, keys = self._sorted.get((table, pk), ({}, []))
        if known is not rows or len(keys) != len(rows):
            keys = sorted(rows)
            self._sorted[(table, pk)] = (rows, keys)
        return keys

    async def scan(
        self,
        table: str,
        pks: tuple[str, str],
        rks: tuple[str, str],
        where: Mapping[str, Value],
        limit: int = 0,
    ) -> list[Row]:
        await self._request("scan", table, pks[0])
        found = [
            row
            for (name, pk), rows in sorted(self.rows.items())
            if name == table and pks[0] <= pk < pks[1]
            for rk, row in sorted(rows.items())
            if rks[0] <= rk < rks[1] and all(row.data.get(k) == v for k, v in where.items())
        ]
        return found[:limit] if limit else found

    async def commit(self, table: str, pk: str, ops: Sequence[Op]) -> Mapping[str, str]:
        await self._request("commit", table, pk)
        if not 0 < len(ops) <= 100 or len({op.rk for op in ops}) != len(ops):
            raise ValueError("a transaction takes 1 to 100 rows, each once")
        rows = dict(self.rows.get((table, pk), {}))
        for op in ops:
            self._apply(rows, pk, op)
        self.rows[(table, pk)] = rows
        self.fail("commit!", table, pk)
        return {op.rk: rows[op.rk].etag for op in ops if op.rk in rows}

    def _apply(self, rows: dict[str, Row], pk: str, op: Op) -> None:
        stored = rows.get(op.rk)
        match op:
            case Insert():
                if stored:
                    raise Conflict(f"{op.rk} exists")
            case Replace(etag=etag):
                if not stored or stored.etag != etag:
                    raise Conflict(f"{op.rk} has changed")
            case Delete(etag=etag):
                if not stored or (etag and stored.etag != etag):
                    raise Conflict(f"{op.rk} has changed")
                del rows[op.rk]
                return
            case Upsert():
                pass
        data: dict[str, Value] = dict(op.data)
        _check(data)
        rows[op.rk] = Row(pk, op.rk, data, f'W/"{next(self._etags)}"')

    async def ping(self, timeout: float) -> None:
        await self._request("ping", "", "")

    async def close(self) -> None:
        pass

    async def _request(self, verb: str, table: str, pk: str) -> None:
        self.requests.append((verb, table, pk))
        await asyncio.sleep(0)
        self.fail(verb, table, pk)


def _check(data: Mapping[str, Value]) -> None:
    """The limits of a property: 32 K characters that UTF-8 can write, integers of 64 bits."""
    for name, value in data.items():
        if name in ("PartitionKey", "RowKey", "Timestamp"):
            raise ValueError(f"{name} is the row's own")
        if value is None:
            raise TypeError(f"{name} is None")
        if isinstance(value, str) and len(value.encode("utf-16-le")) > 65536:
            raise ValueError(f"{name} is longer than a property may be")
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise ValueError(f"{name} does not fit 64 bits")
