"""API keys over HTTP (docs/tenant.md)."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, StringConstraints

from shared.platform.payload import Payload, Utc

Scope = Literal[
    "rooms:read",
    "rooms:write",
    "bookings:read",
    "bookings:write",
    "calls:join",
    "audit:read",
    "reports:read",
]
SCOPES: frozenset[str] = frozenset(get_args(Scope))

Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100),
    Field(pattern=r"^[^\x00-\x1f\x7f-\x9f]+$"),
]


class ApiKeyCreate(Payload):
    """A key may do what both its roles and its scopes allow."""

    name: Name
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1, max_length=20)]
    roles: Annotated[tuple[Literal["user", "admin"], ...], Field(min_length=1, max_length=2)] = (
        "user",
    )
    expires_at: Utc | None = None


class ApiKeyView(Payload):
    key_id: str
    name: str
    scopes: tuple[str, ...]
    roles: tuple[str, ...]
    created_by: str
    created_at: Utc
    expires_at: Utc | None = None
    revoked_at: Utc | None = None


class ApiKeyCreated(ApiKeyView):
    """`token` is shown this once."""

    token: str
