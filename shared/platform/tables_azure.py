"""The tables port on Azure Tables, or Azurite."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.data.tables import EdmType, EntityProperty, TableEntity, UpdateMode
from azure.data.tables.aio import TableClient, TableServiceClient

from shared.platform.azure_storage import CALL_SECONDS, CLIENT_OPTIONS, answers, credential
from shared.platform.tables import Conflict, Delete, Insert, Op, Replace, Row, Upsert, Value

MAX_OPS = 100
MAX_TEXT = 32 * 1024
"""UTF-16 units in a string property.
https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model"""

_PAGE = 1000
_NOT_CHANGED = frozenset({404, 409, 412})
_KEYS = frozenset({"PartitionKey", "RowKey", "Timestamp"})


class AzureTables:
    """One long-lived client; takes a connection string, or the name of an account that our
    identity may use. A table is created when the first write finds it missing."""

    def __init__(self, connection: str | None = None, account: str | None = None) -> None:
        self._credential = None
        if connection:
            self._service = TableServiceClient.from_connection_string(connection, **CLIENT_OPTIONS)
        else:
            self._credential = credential()
            self._service = TableServiceClient(
                f"https://{account}.table.core.windows.net",
                credential=self._credential,
                **CLIENT_OPTIONS,
            )
        self._clients: dict[str, TableClient] = {}

    async def get(self, table: str, pk: str, rk: str) -> Row | None:
        async with answers(CALL_SECONDS):
            try:
                return _row(await self._client(table).get_entity(pk, rk))
            except ResourceNotFoundError:
                return None

    async def query(
        self, table: str, pk: str, start: str = "", end: str = "", limit: int = 0
    ) -> list[Row]:
        clauses = ["PartitionKey eq @pk"]
        if start:
            clauses.append("RowKey ge @start")
        if end:
            clauses.append("RowKey lt @end")
        parameters = {"pk": pk, "start": start, "end": end}
        return await self._select(table, clauses, parameters, limit)

    async def scan(
        self,
        table: str,
        pks: tuple[str, str],
        rks: tuple[str, str],
        where: Mapping[str, Value],
        limit: int = 0,
    ) -> list[Row]:
        clauses = ["PartitionKey ge @pk0", "PartitionKey lt @pk1"]
        clauses += ["RowKey ge @rk0", "RowKey lt @rk1"]
        parameters = {"pk0": pks[0], "pk1": pks[1], "rk0": rks[0], "rk1": rks[1]}
        for number, (name, value) in enumerate(where.items()):
            if isinstance(value, str):
                clauses.append(f"{name} eq @v{number}")
                parameters[f"v{number}"] = value
            else:
                # The SDK's parameters take 1 for true, and write a small int as 32 bits.
                clauses.append(f"{name} eq {_literal(value)}")
        return await self._select(table, clauses, parameters, limit)

    async def _select(
        self, table: str, clauses: Sequence[str], parameters: dict[str, str], limit: int
    ) -> list[Row]:
        pages = (
            self._client(table)
            .query_entities(
                " and ".join(clauses),
                parameters=parameters,
                results_per_page=min(limit or _PAGE, _PAGE),
            )
            .by_page()
        )
        rows: list[Row] = []
        try:
            while (page := await _next(pages)) is not None:
                rows += page
                if limit and len(rows) >= limit:
                    return rows[:limit]
        except ResourceNotFoundError:
            return []
        return rows

    async def commit(self, table: str, pk: str, ops: Sequence[Op]) -> Mapping[str, str]:
        if not 0 < len(ops) <= MAX_OPS or len({op.rk for op in ops}) != len(ops):
            raise ValueError("a transaction takes 1 to 100 rows, each once")
        operations = [_operation(pk, op) for op in ops]
        # A single operation goes as a batch too: the plain delete hides a 404.
        async with answers(CALL_SECONDS, conflicts=_NOT_CHANGED):
            try:
                done = await self._client(table).submit_transaction(operations)
            except HttpResponseError as error:
                if getattr(error, "error_code", None) != "TableNotFound":
                    raise
                await self._service.create_table_if_not_exists(table)
                done = await self._client(table).submit_transaction(operations)
        pairs = zip(ops, done, strict=True)
        return {op.rk: str(one["etag"]) for op, one in pairs if not isinstance(op, Delete)}

    async def ping(self, timeout: float) -> None:
        async with answers(timeout):
            async for _ in self._service.list_tables(results_per_page=1):
                break

    async def close(self) -> None:
        await self._service.close()
        if self._credential:
            await self._credential.close()

    def _client(self, table: str) -> TableClient:
        if table not in self._clients:
            self._clients[table] = self._service.get_table_client(table)
        return self._clients[table]


async def _next(pages: AsyncIterator[AsyncIterator[TableEntity]]) -> list[Row] | None:
    """None after the last page. Each has a time of its own, however many there are."""
    async with answers(CALL_SECONDS):
        page = await anext(pages, None)
        return None if page is None else [_row(entity) async for entity in page]


def _operation(pk: str, op: Op) -> tuple[str, dict[str, Any], dict[str, Any]]:
    entity: dict[str, Any] = {"PartitionKey": pk, "RowKey": op.rk}
    if not isinstance(op, Delete):
        entity.update(_encode(op.data))
    match op:
        case Insert():
            return "create", entity, {}
        case Upsert():
            return "upsert", entity, {"mode": UpdateMode.REPLACE}
        case Replace(etag=etag):
            if not etag:
                raise Conflict(f"{op.rk} was never read: there is no ETag to match")
            return "update", entity, {"mode": UpdateMode.REPLACE, **_if_match(etag)}
        case Delete(etag=etag):
            return "delete", entity, _if_match(etag) if etag else {}


def _if_match(etag: str) -> dict[str, Any]:
    return {"etag": etag, "match_condition": MatchConditions.IfNotModified}


def _literal(value: bool | int | float) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value}L" if isinstance(value, int) else repr(value)


def _encode(data: Mapping[str, Value]) -> Iterator[tuple[str, Any]]:
    for name, value in data.items():
        if name in _KEYS:
            raise ValueError(f"{name} is no name for a property")
        if isinstance(value, int) and not isinstance(value, bool):
            if not -(2**63) <= value < 2**63:
                raise ValueError(f"{name} does not fit 64 bits")
            # Always 64 bits, so that a property has one type whatever its value.
            yield name, EntityProperty(value, EdmType.INT64)
            continue
        if isinstance(value, str) and len(value.encode("utf-16-le")) > 2 * MAX_TEXT:
            raise ValueError(f"{name} is longer than {MAX_TEXT} characters")
        if not isinstance(value, (str, bool, float)):
            raise TypeError(f"{name} is a {type(value).__name__}")
        yield name, value


def _row(entity: TableEntity) -> Row:
    data = {
        name: value.value if isinstance(value, EntityProperty) else value
        for name, value in entity.items()
        if name not in _KEYS
    }
    etag = entity.metadata["etag"]
    return Row(entity["PartitionKey"], entity["RowKey"], data, str(etag))
