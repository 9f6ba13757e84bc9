"""API keys: bearer tokens for a tenant's servers, `suroga.<tenant>.<key id>.<secret>`.

Of the secret only a SHA-256 is stored: with its 256 random bits nobody finds it from that, and a
slow hash would buy nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.platform.clock import iso, parse
from shared.platform.tables import Tables, Value

TABLE = "ApiKeys"
ROW_PREFIX = "k|"
"""Beside the outbox rows of the same partition, which is the tenant."""

TOKEN_PREFIX = "suroga."  # noqa: S105 (by which a token says what it is)
CALLER_PREFIX = "key:"
"""How the `sub` of an API key begins; no person's may."""

_ID = re.compile(r"[0-9a-f]{24}")
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class ApiKey:
    key_id: str
    tenant: str
    name: str
    scopes: tuple[str, ...]
    roles: tuple[str, ...]
    created_by: str
    created_at: datetime
    digest: str
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def in_force(self, now: datetime) -> bool:
        return not self.revoked_at and (not self.expires_at or now < self.expires_at)

    def opened_by(self, secret: str) -> bool:
        return hmac.compare_digest(self.digest, digest(secret))

    def to_row(self) -> dict[str, Value]:
        row: dict[str, Value] = {
            "name": self.name,
            "scopes": json.dumps(self.scopes),
            "roles": json.dumps(self.roles),
            "created_by": self.created_by,
            "created_at": iso(self.created_at),
            "digest": self.digest,
        }
        times = {"expires_at": self.expires_at, "revoked_at": self.revoked_at}
        return row | {name: iso(time) for name, time in times.items() if time}

    @classmethod
    def from_row(cls, tenant: str, rk: str, row: Mapping[str, Value]) -> ApiKey:
        expires, revoked = row.get("expires_at"), row.get("revoked_at")
        return cls(
            key_id=rk.removeprefix(ROW_PREFIX),
            tenant=tenant,
            name=str(row["name"]),
            scopes=tuple(json.loads(str(row["scopes"]))),
            roles=tuple(json.loads(str(row["roles"]))),
            created_by=str(row["created_by"]),
            created_at=parse(str(row["created_at"])),
            digest=str(row["digest"]),
            expires_at=parse(str(expires)) if expires else None,
            revoked_at=parse(str(revoked)) if revoked else None,
        )


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def is_key_id(text: str) -> bool:
    """Whether it may name a row at all: what is no key of a table would be an error there."""
    return _ID.fullmatch(text) is not None


def token_of(tenant: str, key_id: str, secret: str) -> str:
    return f"{TOKEN_PREFIX}{_encoded(tenant)}.{key_id}.{secret}"


def read_token(token: str) -> tuple[str, str, str] | None:
    """Tenant, key id and secret; None when it is malformed. The tenant is not checked."""
    parts = token.removeprefix(TOKEN_PREFIX).split(".")
    if len(parts) != 3 or not is_key_id(parts[1]) or not _SECRET.fullmatch(parts[2]):
        return None
    try:
        tenant = base64.urlsafe_b64decode(parts[0] + "=" * (-len(parts[0]) % 4)).decode()
    except (binascii.Error, ValueError):
        return None
    # Only as we write it: base64 has several spellings of the same bytes.
    return (tenant, parts[1], parts[2]) if _encoded(tenant) == parts[0] else None


def _encoded(tenant: str) -> str:
    return base64.urlsafe_b64encode(tenant.encode()).rstrip(b"=").decode("ascii")


class KeyReader:
    """Reads keys for the verifier: from storage each time, so that a revocation holds at once."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def find(self, tenant: str, key_id: str) -> ApiKey | None:
        """May raise `StorageUnavailable`."""
        row = await self._tables.get(TABLE, tenant, ROW_PREFIX + key_id)
        return ApiKey.from_row(tenant, row.rk, row.data) if row else None
