"""The tables port: rows in partitions, changed by entity-group transactions.

Two adapters speak it: `tables_azure` (Azure Tables, and Azurite) and the in-memory fake in
`tests/fakes`. Both pass `tests/integration/test_tables_contract.py`.

Semantics and limits are those of Azure Tables: a transaction covers one partition of one table,
100 rows and 4 MiB, and each row at most once.
https://learn.microsoft.com/rest/api/storageservices/performing-entity-group-transactions
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

Value = str | int | bool | float
"""What a property may hold. Times are ISO 8601 strings, so that they sort and read well."""


class StorageError(Exception):
    """The store did not do what was asked. The subclasses say what that means for the caller."""


class Conflict(StorageError):
    """Nothing was changed: an ETag did not match, a row to insert exists, or one to change is gone.

    After a lost answer the SDK resends, and the second try meets the rows of the first; so this
    may also mean «it was done already». Read again before giving up (calendar protocol).
    """


class StorageUnavailable(StorageError):
    """No answer, or a 5xx: what was asked may have been done or not."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row as stored. `etag` is empty on rows that were built here and not read."""

    pk: str
    rk: str
    data: Mapping[str, Value] = field(default_factory=dict)
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Insert:
    """Fails with `Conflict` when the row exists."""

    rk: str
    data: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Replace:
    """Replaces the whole row; fails with `Conflict` unless the ETag is the stored one."""

    rk: str
    data: Mapping[str, Value]
    etag: str


@dataclass(frozen=True, slots=True)
class Upsert:
    """Inserts or replaces, whatever is there."""

    rk: str
    data: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Delete:
    """Fails with `Conflict` when the row is gone or, with an ETag, when it has changed."""

    rk: str
    etag: str = ""


Op = Insert | Replace | Upsert | Delete


class Tables(Protocol):
    """The port. Every method may raise `StorageUnavailable`."""

    async def get(self, table: str, pk: str, rk: str) -> Row | None:
        """One row, or None."""
        ...

    async def query(
        self, table: str, pk: str, start: str = "", end: str = "", limit: int = 0
    ) -> list[Row]:
        """Rows with start <= RowKey < end in order; an empty bound is open, limit 0 is all."""
        ...

    async def scan(
        self,
        table: str,
        pks: tuple[str, str],
        rks: tuple[str, str],
        where: Mapping[str, Value],
        limit: int = 0,
    ) -> list[Row]:
        """Rows of all partitions with pks[0] <= PartitionKey < pks[1], RowKey likewise, whose
        properties equal `where`, in order; limit 0 is all. It reads every row of those partitions
        until it has found `limit`: not for the hot path."""
        ...

    async def commit(self, table: str, pk: str, ops: Sequence[Op]) -> Mapping[str, str]:
        """All operations or none, in one partition; raises `Conflict` when one can't be done.

        Returns the new ETags of the rows that were written, by RowKey: who reads them afterwards
        may get those of somebody who came in between.
        """
        ...

    async def ping(self, timeout: float) -> None:
        """Raises `StorageUnavailable` unless the service answers within `timeout` seconds."""
        ...

    async def close(self) -> None: ...
