"""How a page signs in; in local mode as anybody."""

from __future__ import annotations

from typing import Annotated, Literal

import azure.functions as func
from pydantic import Field

from functions.door import Call, Reply, operation
from shared.platform.payload import Payload

bp = func.Blueprint()

# As `shared/platform/auth.py` takes them: names become parts of keys and of URLs.
NAME = r"^[^\x00-\x1f\x7f-\x9f/\\#?|]+$"
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=NAME)]


class AuthConfig(Payload):
    local_sign_in: bool


class TokenRequest(Payload):
    user: Name
    tenant: Name = "acme"  # as `make token` has it
    roles: tuple[Literal["user", "admin", "operator"], ...] = ("user",)
    name: Annotated[str, Field(min_length=1, max_length=100)] | None = None


class Token(Payload):
    access_token: str
    token_type: str = "Bearer"  # noqa: S105 (the scheme's name)
    expires_in: int


@operation(
    bp,
    "GET",
    "api/v1/auth/config",
    summary="How to sign in",
    tag="auth",
    answer=AuthConfig,
    signed_in=False,
)
async def auth_config(call: Call[None]) -> Reply:
    return Reply(200, AuthConfig(local_sign_in=call.services.settings.local))


@operation(
    bp,
    "POST",
    "api/v1/auth/token",
    summary="Sign in as anybody (local mode only)",
    tag="auth",
    answer=Token,
    body=TokenRequest,
    signed_in=False,
    problems={404: ("local_only",)},
)
async def auth_token(call: Call[TokenRequest]) -> Reply:
    tokens, request = call.services.local_tokens, call.body
    token = tokens.issue(request.user, request.tenant, request.roles, request.name)
    seconds = int(tokens.TTL.total_seconds())
    return Reply(200, Token(access_token=token, expires_in=seconds))
