"""Who calls: bearer tokens (JWT, RFC 7519 and 8725; API keys), local sign-in, and invites.

PyJWT, cryptography and aiohttp are loaded when first needed: importing this stays cheap.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.platform import logs
from shared.platform.api_keys import CALLER_PREFIX, TOKEN_PREFIX, KeyReader, read_token
from shared.platform.clock import Clock
from shared.platform.ids import PLATFORM_TENANT
from shared.platform.jwks import SIGNATURES, JwksKeys, Refused
from shared.platform.problems import Problem
from shared.platform.settings import Settings

if TYPE_CHECKING:
    from aiohttp import ClientSession
    from jwt import PyJWK

ROLES = frozenset({"user", "admin", "operator"})
KEY_ROLES = frozenset({"user", "admin"})
"""Of a tenant's API keys: whoever runs the platform is a person."""

_HMAC = "HS256"
_BEARER_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
_INVITE = "invite"
_CHALLENGE = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
_MAX_TOKEN = 16 * 1024
# Ids become parts of row keys and of URLs; lone surrogates can't be written as UTF-8.
_ID = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff/\\#?|]{1,200}")
_TEXT = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,200}")


NO_PERSON = (CALLER_PREFIX, "timer:", "invite:")
"""How the audit trail names those who are no person: nobody's `sub` may begin so."""


@dataclass(frozen=True)
class Caller:
    sub: str
    tenant: str
    roles: frozenset[str]
    email: str | None = None
    name: str | None = None
    scopes: frozenset[str] | None = None
    """What an API key may do; None for a person, who may do all that the roles allow."""
    signed_in: datetime | None = field(default=None, compare=False)
    """When the person did, as far as the token says."""

    def require_admin(self) -> None:
        """Raises Problem 403 for everybody but an admin of the tenant."""
        if not self.is_admin:
            raise Problem(403, "admin_only")

    def require_operator(self) -> None:
        """Raises Problem 403 for everybody but an operator of the platform."""
        if not self.is_operator:
            raise Problem(403, "operator_only")

    def require_fresh(self, age: timedelta, now: datetime) -> None:
        """Raises Problem 401 unless the person signed in within `age`; zero demands nothing.

        The challenge is that of step-up authentication (RFC 9470): who gets it has the person sign
        in again, with its `max_age`, and comes back with the new token.
        """
        if age and (self.signed_in is None or now - self.signed_in > age):
            seconds = int(age.total_seconds())
            challenge = f'Bearer error="insufficient_user_authentication", max_age="{seconds}"'
            headers = {"WWW-Authenticate": challenge}
            raise Problem(401, "fresh_sign_in_required", {"age": age}, headers=headers)

    @property
    def is_admin(self) -> bool:
        return "admin" in self.roles

    @property
    def is_operator(self) -> bool:
        return "operator" in self.roles

    @property
    def display(self) -> str:
        return self.name or self.email or self.sub


class TokenVerifier:
    """With `jwt_secret` set it takes HS256 and nothing else; else signatures by the issuer's keys.
    `session_factory` gives the process's aiohttp session, and is called when keys are fetched.
    API keys are accepted where `api_keys` says where they are."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        session_factory: Callable[[], ClientSession],
        api_keys: KeyReader | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._api_keys = api_keys
        self._keys = JwksKeys(settings.jwks_url or "", clock, session_factory)

    async def verify(self, authorization_header: str | None) -> Caller:
        """Raises `Problem`: 401 unauthorized, or 503 auth_unavailable when there are no keys; for
        an API key `StorageUnavailable` too."""
        scheme, _, token = (authorization_header or "").strip().partition(" ")
        try:
            if scheme.lower() != "bearer":
                raise Refused("no bearer token")
            token = token.strip()
            if self._api_keys and token.startswith(TOKEN_PREFIX):
                return await self._server(self._api_keys, token)
            claims = await self._claims(token)
            _check_times(claims, self._clock.now(), self._settings.jwt_leeway)
            _check_factors(claims, demanded=self._settings.operator_mfa)
            return _caller(claims)
        except Refused as reason:
            logs.event("auth.refused", reason=str(reason))
            raise Problem(401, "unauthorized", headers=_CHALLENGE) from None

    async def _server(self, keys: KeyReader, token: str) -> Caller:
        named = read_token(token) if len(token) <= _MAX_TOKEN else None
        if not named or not _is_id(named[0]):
            raise Refused("malformed API key")
        tenant, key_id, secret = named
        key = await keys.find(tenant, key_id)
        if not key or not key.opened_by(secret):
            raise Refused("unknown API key")
        if not key.in_force(self._clock.now()):
            raise Refused("API key revoked or expired")
        return Caller(
            sub=CALLER_PREFIX + key_id,
            tenant=tenant,
            roles=KEY_ROLES & set(key.roles),
            name=key.name,
            scopes=frozenset(key.scopes),
        )

    async def _claims(self, token: str) -> dict[str, Any]:
        settings = self._settings
        header = _header(token)
        if str(header.get("typ", "JWT")).lower() not in _BEARER_TYPES:
            raise Refused("not an access token")
        # The algorithm follows from the key, never from the token alone (RFC 8725, 3.1).
        if settings.jwt_secret:
            secret = settings.jwt_secret.get_secret_value()
            return _decode(token, secret, _HMAC, settings.jwt_audience, settings.jwt_issuer)
        algorithm = str(header.get("alg"))
        if not any(algorithm in accepted for accepted in SIGNATURES.values()):
            raise Refused("algorithm not accepted")
        key = await self._keys.find(header.get("kid"), algorithm)
        return _decode(token, key, algorithm, settings.jwt_audience, settings.jwt_issuer)


class LocalTokens:
    """Signs in whoever asks: for local mode, where there is no identity provider."""

    TTL = timedelta(hours=12)

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock

    def issue(
        self,
        user: str,
        tenant: str,
        roles: Collection[str],
        name: str | None = None,
        email: str | None = None,
        ttl: timedelta = TTL,
    ) -> str:
        """A bearer token; raises `Problem` 404 local_only elsewhere."""
        settings = self._settings
        if not settings.local or not settings.jwt_secret:
            raise Problem(404, "local_only")
        claims: dict[str, Any] = {"sub": user, "tenant": tenant, "roles": sorted(roles)}
        claims |= {"iss": settings.jwt_issuer, "aud": settings.jwt_audience}
        claims |= {k: v for k, v in (("name", name), ("email", email)) if v}
        secret = settings.jwt_secret.get_secret_value()
        now = self._clock.now()
        claims["auth_time"] = int(now.timestamp())
        return _encode(claims, secret, now, now + ttl, "JWT")


@dataclass(frozen=True)
class Invite:
    booking_id: int
    tenant: str
    jti: str


class Invites:
    """Links that let somebody without an account join one booking.

    They hold no time: a link has the same text whenever it is shown, and stays good when its
    booking is moved or extended. The booking says until when, and who is invited.
    """

    def __init__(self, link_key: str) -> None:
        self._key = link_key

    def issue(self, booking_id: int, tenant: str, jti: str) -> str:
        import jwt

        claims = {"aud": _INVITE, "booking_id": booking_id, "tenant": tenant, "jti": jti}
        return jwt.encode(claims, self._key, _HMAC, headers={"typ": _INVITE})

    def read(self, token: str) -> Invite:
        """Raises `Problem` 401 invite_invalid when forged or malformed."""
        try:
            if _header(token).get("typ") != _INVITE:
                raise Refused("not an invite")
            claims = _decode(token, self._key, _HMAC, _INVITE, None)
            invite = Invite(claims["booking_id"], claims["tenant"], claims["jti"])
            if type(invite.booking_id) is not int or not _is_id(invite.tenant):
                raise Refused("claims missing or malformed")
        except (Refused, KeyError) as reason:
            logs.event("invite.refused", reason=str(reason))
            raise Problem(401, "invite_invalid", headers=_CHALLENGE) from None
        return invite


def _encode(
    claims: Mapping[str, Any], key: str, issued: datetime, expires: datetime, typ: str
) -> str:
    import jwt

    # Rounded up, so that a token never ends before what it is for.
    times = {"iat": int(issued.timestamp()), "exp": math.ceil(expires.timestamp())}
    return jwt.encode({**claims, **times}, key, _HMAC, headers={"typ": typ})


def _header(token: str) -> dict[str, Any]:
    import jwt

    if len(token) > _MAX_TOKEN:
        raise Refused("token too long")
    try:
        return jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError) as error:
        raise Refused(type(error).__name__) from None


def _decode(
    token: str, key: str | PyJWK, algorithm: str, audience: str, issuer: str | None
) -> dict[str, Any]:
    """The claims of a token whose signature, audience and issuer are right. The times are left:
    PyJWT compares them with the real time, not with our clock."""
    import jwt

    options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
    options["enforce_minimum_key_length"] = True
    try:
        claims: dict[str, Any] = jwt.decode(
            token, key, [algorithm], options, audience=audience, issuer=issuer
        )
    except (jwt.PyJWTError, ValueError) as error:
        raise Refused(type(error).__name__) from None
    return claims


def _check_times(claims: Mapping[str, Any], now: datetime, leeway: timedelta) -> None:
    seconds, margin = now.timestamp(), leeway.total_seconds()
    if seconds - margin >= _number(claims, "exp"):
        raise Refused("expired")
    for claim in ("nbf", "iat"):
        if claim in claims and seconds + margin < _number(claims, claim):
            raise Refused(f"{claim} is in the future")


def _number(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    # Not so large that it means never, and neither NaN nor infinite.
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12:
        return value
    raise Refused(f"{name} is no time")


def _check_factors(claims: Mapping[str, Any], *, demanded: bool) -> None:
    """An operator's second factor (`amr`, RFC 8176), which conditional access asks for."""
    roles, methods = claims.get("roles"), claims.get("amr")
    operator = isinstance(roles, list) and "operator" in roles
    if demanded and operator and not (isinstance(methods, list) and "mfa" in methods):
        raise Refused("an operator without a second factor")


def _caller(claims: Mapping[str, Any]) -> Caller:
    sub, tenant = claims.get("sub"), claims.get("tenant")
    if not _is_id(sub) or not _is_id(tenant):
        raise Refused("sub or tenant is missing or malformed")
    if str(sub).startswith(NO_PERSON):
        raise Refused("sub is that of an API key, a timer or an invite")
    roles = claims.get("roles", ["user"])
    if not isinstance(roles, list):
        raise Refused("roles is no list")
    known = ROLES & {role for role in roles if isinstance(role, str)}
    if tenant == PLATFORM_TENANT and "operator" not in known:
        raise Refused("the platform is no customer's tenant")
    return Caller(
        sub=str(sub),
        tenant=str(tenant),
        roles=known,
        email=_text(claims.get("email")),
        name=_text(claims.get("name")),
        signed_in=_signed_in(claims),
    )


def _signed_in(claims: Mapping[str, Any]) -> datetime | None:
    """`auth_time` (OpenID Connect). When the token was made (`iat`) says nothing: it is renewed
    without anybody signing in."""
    try:
        return datetime.fromtimestamp(max(0.0, _number(claims, "auth_time")), UTC)
    except (Refused, ValueError):  # missing, no number, or beyond the year 9999
        return None


def _is_id(value: object) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and _TEXT.fullmatch(value) else None
