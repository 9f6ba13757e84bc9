"""An admin makes, lists and revokes the tenant's API keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from shared.events.catalogue import Audit, DomainEvent, EventType
from shared.events.outbox import Outbox
from shared.platform.api_keys import ROW_PREFIX, TABLE, ApiKey, digest, is_key_id, token_of
from shared.platform.auth import Caller
from shared.platform.clock import Clock, iso
from shared.platform.i18n import Message
from shared.platform.ids import Ids
from shared.platform.once import LIFE, Once
from shared.platform.problems import FieldError, Problem, busy, invalid
from shared.platform.retrying import again
from shared.platform.tables import Conflict, Insert, Replace, Row, StorageUnavailable, Tables
from shared.tenants.models import ApiKeyCreate

FUTURE = Message("deve estar no futuro", "should be in the future")
CURSOR = Message("deve vir do cabeçalho Link", "should come from the Link header")

_END = ROW_PREFIX[:-1] + chr(ord(ROW_PREFIX[-1]) + 1)


@dataclass(frozen=True)
class Issued:
    """A new key, and the only sight of its token."""

    key: ApiKey
    token: str


@dataclass(frozen=True)
class Listed:
    """One page, oldest first; `next` is the cursor, empty on the last one."""

    items: list[ApiKey]
    next: str


class ApiKeys:
    def __init__(self, tables: Tables, outbox: Outbox, clock: Clock, ids: Ids) -> None:
        self._tables = tables
        self._outbox = outbox
        self._clock = clock
        self._ids = ids

    async def create(
        self, caller: Caller, request: ApiKeyCreate, address: str, once: Once[Issued] | None
    ) -> Issued:
        """Problems: 403 unless the caller is an admin, 400, 503; with a key also what `Once.begin`
        raises."""
        caller.require_admin()
        key_id = self._ids.key_id()
        if once:

            async def find(reserved: str) -> Mapping[str, Any] | None:
                row = await self._row(caller.tenant, reserved)
                return row.data if row else None

            key_id = await once.begin(key_id, find)
        try:
            issued = self._draft(caller, request, key_id)
            await self._insert(issued, Audit(caller.sub, "api_key.create", address), once)
        except Problem:
            if once:
                await once.release()
            raise
        return issued

    def _draft(self, caller: Caller, request: ApiKeyCreate, key_id: str) -> Issued:
        # Not before `begin`: what was made in time is answered again, however late it is.
        if request.expires_at and request.expires_at <= self._clock.now():
            raise invalid([FieldError("expires_at", FUTURE)])
        secret = self._ids.secret()
        key = ApiKey(
            key_id=key_id,
            tenant=caller.tenant,
            name=request.name,
            scopes=tuple(sorted(set(request.scopes))),
            roles=tuple(sorted(set(request.roles))),
            created_by=caller.sub,
            created_at=self._clock.now(),
            digest=digest(secret),
            expires_at=request.expires_at,
        )
        return Issued(key, token_of(key.tenant, key_id, secret))

    async def _insert(self, issued: Issued, audit: Audit, once: Once[Issued] | None) -> None:
        key = issued.key
        row = {**key.to_row(), **(once.sealed(issued) if once else {})}
        event = self._event(EventType.API_KEY_CREATED, key, audit)
        ops = [Insert(ROW_PREFIX + key.key_id, row)]
        try:
            await self._outbox.commit(TABLE, key.tenant, ops, [event])
        except (Conflict, StorageUnavailable) as error:
            # After a lost answer the row is ours, or that of the same request sent again. Nobody
            # but us knows its secret: it must not stay behind a failure.
            stored = await self._row(key.tenant, key.key_id)
            if stored and stored.data["digest"] == key.digest:
                return
            if stored and once and once.made(stored.data):
                raise once.replay(stored.data) from None
            if isinstance(error, Conflict):
                raise busy() from None
            raise

    async def list(self, caller: Caller, after: str, limit: int) -> Listed:
        """Revoked and expired ones too. Raises Problem 403 unless the caller is an admin."""
        caller.require_admin()
        if after and not is_key_id(after):
            raise invalid([FieldError("after", CURSOR)])
        start = ROW_PREFIX + after + ("\x21" if after else "")
        rows = await self._tables.query(TABLE, caller.tenant, start, _END, limit + 1)
        keys = [ApiKey.from_row(row.pk, row.rk, row.data) for row in rows[:limit]]
        return Listed(keys, keys[-1].key_id if len(rows) > limit else "")

    async def revoke(self, caller: Caller, key_id: str, address: str) -> None:
        """Holds from the next request on. A second time changes nothing. Raises Problem 404."""
        caller.require_admin()
        await again(lambda: self._revoke(caller, key_id, address))

    async def _revoke(self, caller: Caller, key_id: str, address: str) -> None:
        row = await self._row(caller.tenant, key_id)
        if row is None:
            raise Problem(404, "api_key_not_found")
        key = ApiKey.from_row(row.pk, row.rk, row.data)
        if key.revoked_at:
            return
        event = self._event(
            EventType.API_KEY_REVOKED, key, Audit(caller.sub, "api_key.revoke", address)
        )
        # The sealed answer stays, for `tidy`: what the same request gets again is this key.
        revoked = {**row.data, **replace(key, revoked_at=self._clock.now()).to_row()}
        change = Replace(row.rk, revoked, row.etag)
        await self._outbox.commit(TABLE, key.tenant, [change], [event])

    async def tidy(self) -> int:
        """Takes away the sealed answers that no Idempotency-Key can ask for any more; returns how
        many. From then on the secret is nowhere."""
        rows = await self._tables.scan(TABLE, ("", "\ufffd"), (ROW_PREFIX, _END), {})
        gone = 0
        for row in rows:
            key = ApiKey.from_row(row.pk, row.rk, row.data)
            if "answer" not in row.data or self._clock.now() - key.created_at < LIFE:
                continue
            try:
                bare = Replace(row.rk, key.to_row(), row.etag)
                await self._tables.commit(TABLE, row.pk, [bare])
                gone += 1
            except Conflict:
                continue  # revoked meanwhile: the next night does it
        return gone

    async def _row(self, tenant: str, key_id: str) -> Row | None:
        if not is_key_id(key_id):
            return None
        return await self._tables.get(TABLE, tenant, ROW_PREFIX + key_id)

    def _event(self, kind: EventType, key: ApiKey, audit: Audit) -> DomainEvent:
        data: dict[str, Any] = {"key_id": key.key_id, "name": key.name}
        data |= {"scopes": list(key.scopes), "roles": list(key.roles)}
        if key.expires_at:
            data["expires_at"] = iso(key.expires_at)
        return self._outbox.event(kind, key.tenant, f"api_key/{key.key_id}", data, audit=audit)
