"""Who calls: bearer tokens (JWT, RFC 7519 and 8725), local sign-in, and invites.

PyJWT, cryptography and aiohttp are loaded when first needed: importing this stays cheap.
"""

from __future__ import annotations

import asyncio
import logging
import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.platform import logs
from shared.platform.clock import Clock
from shared.platform.problems import Problem
from shared.platform.settings import Settings

if TYPE_CHECKING:
    from aiohttp import ClientSession
    from jwt import PyJWK

ROLES = frozenset({"user", "admin", "operator"})

_HMAC = "HS256"
_SIGNATURES = {"RSA": ("RS256", "PS256"), "EC": ("ES256",)}
"""The algorithms that we accept from an issuer, by the type of key that they take."""

_BEARER_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
_INVITE = "invite"
_CHALLENGE = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
_MAX_TOKEN = 16 * 1024
# Ids become parts of row keys and of URLs; lone surrogates can't be written as UTF-8.
_ID = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff/\\#?|]{1,200}")
_TEXT = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,200}")


@dataclass(frozen=True)
class Caller:
    sub: str
    tenant: str
    roles: frozenset[str]
    email: str | None = None
    name: str | None = None
    scopes: frozenset[str] | None = None
    """What an API key may do; None for a person, who may do all that the roles allow."""

    def require_admin(self) -> None:
        """Raises Problem 403 for everybody but an admin of the tenant."""
        if not self.is_admin:
            raise Problem(403, "admin_only")

    @property
    def is_admin(self) -> bool:
        return "admin" in self.roles

    @property
    def is_operator(self) -> bool:
        return "operator" in self.roles

    @property
    def display(self) -> str:
        return self.name or self.email or self.sub


class _Refused(Exception):
    """Why a token is refused: for the log, never for the caller."""


class TokenVerifier:
    """With `jwt_secret` set it takes HS256 and nothing else; else signatures by the issuer's keys.
    `session_factory` gives the process's aiohttp session, and is called when keys are fetched."""

    def __init__(
        self, settings: Settings, clock: Clock, session_factory: Callable[[], ClientSession]
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._keys = JwksKeys(settings.jwks_url or "", clock, session_factory)

    async def verify(self, authorization_header: str | None) -> Caller:
        """Raises `Problem`: 401 unauthorized, or 503 auth_unavailable when there are no keys."""
        scheme, _, token = (authorization_header or "").strip().partition(" ")
        try:
            if scheme.lower() != "bearer":
                raise _Refused("no bearer token")
            claims = await self._claims(token.strip())
            _check_times(claims, self._clock.now(), self._settings.jwt_leeway)
            return _caller(claims)
        except _Refused as reason:
            logs.event("auth.refused", reason=str(reason))
            raise Problem(401, "unauthorized", headers=_CHALLENGE) from None

    async def _claims(self, token: str) -> dict[str, Any]:
        settings = self._settings
        header = _header(token)
        if str(header.get("typ", "JWT")).lower() not in _BEARER_TYPES:
            raise _Refused("not an access token")
        # The algorithm follows from the key, never from the token alone (RFC 8725, 3.1).
        if settings.jwt_secret:
            secret = settings.jwt_secret.get_secret_value()
            return _decode(token, secret, _HMAC, settings.jwt_audience, settings.jwt_issuer)
        algorithm = str(header.get("alg"))
        if not any(algorithm in accepted for accepted in _SIGNATURES.values()):
            raise _Refused("algorithm not accepted")
        key = await self._keys.find(header.get("kid"), algorithm)
        return _decode(token, key, algorithm, settings.jwt_audience, settings.jwt_issuer)


class JwksKeys:
    """The signing keys that an OpenID Connect issuer publishes (RFC 7517)."""

    LIFE = timedelta(hours=1)
    PAUSE = timedelta(seconds=30)
    """Between two fetches: tokens with invented kids can't make us flood the issuer."""
    FIRST_PAUSE = timedelta(seconds=1)
    """The same while we have no keys at all."""
    TIMEOUT = timedelta(seconds=3)

    def __init__(
        self, url: str, clock: Clock, session_factory: Callable[[], ClientSession]
    ) -> None:
        self._url = url
        self._clock = clock
        self._session_factory = session_factory
        self._keys: dict[tuple[str | None, str], PyJWK] = {}
        self._fetched: datetime | None = None
        self._tried: datetime | None = None
        self._lock = asyncio.Lock()

    async def find(self, kid: str | None, algorithm: str) -> PyJWK:
        """Fetches when the key is unknown or the keys are old; when the issuer does not answer,
        the old ones stay in force."""
        wanted = (kid, algorithm)
        known = wanted in self._keys
        # Who has a key, though an old one, does not wait for somebody else's fetch.
        if (not known or self._old()) and not (known and self._lock.locked()):
            async with self._lock:
                if self._may_fetch() and (wanted not in self._keys or self._old()):
                    await self._fetch()
        if not self._keys:
            raise Problem(503, "auth_unavailable", headers={"Retry-After": "5"})
        if wanted not in self._keys:
            raise _Refused("unknown key")
        return self._keys[wanted]

    def _old(self) -> bool:
        return self._fetched is None or self._clock.now() - self._fetched >= self.LIFE

    def _may_fetch(self) -> bool:
        pause = self.PAUSE if self._keys else self.FIRST_PAUSE
        return self._tried is None or self._clock.now() - self._tried >= pause

    async def _fetch(self) -> None:
        import aiohttp

        self._tried = self._clock.now()
        try:
            timeout = aiohttp.ClientTimeout(total=self.TIMEOUT.total_seconds())
            async with self._session_factory().get(self._url, timeout=timeout) as response:
                response.raise_for_status()
                keys = _signing_keys(await response.json(content_type=None))
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            logs.event("auth.jwks_failed", level=logging.WARNING, error=repr(error))
            return
        self._keys, self._fetched = keys or self._keys, self._clock.now()


def _signing_keys(document: Any) -> dict[tuple[str | None, str], PyJWK]:
    from jwt import PyJWK
    from jwt.exceptions import PyJWTError

    keys: dict[tuple[str | None, str], PyJWK] = {}
    listed = document.get("keys") if isinstance(document, dict) else None
    for jwk in listed if isinstance(listed, list) else ():
        if not isinstance(jwk, dict) or jwk.get("use", "sig") != "sig":
            continue
        for algorithm in _SIGNATURES.get(str(jwk.get("kty")), ()):
            if jwk.get("alg", algorithm) == algorithm:
                try:
                    keys[jwk.get("kid"), algorithm] = PyJWK(jwk, algorithm)
                except PyJWTError:
                    logs.event("auth.jwk_unusable", level=logging.WARNING, kid=jwk.get("kid"))
    return keys


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
        return _encode(claims, secret, now, now + ttl, "JWT")


@dataclass(frozen=True)
class Invite:
    booking_id: int
    tenant: str
    jti: str


class Invites:
    """Links that let somebody without an account join one booking."""

    def __init__(self, link_key: str, clock: Clock) -> None:
        self._key = link_key
        self._clock = clock

    def issue(self, booking_id: int, tenant: str, expires: datetime, jti: str) -> str:
        claims = {"aud": _INVITE, "booking_id": booking_id, "tenant": tenant, "jti": jti}
        return _encode(claims, self._key, self._clock.now(), expires, _INVITE)

    def read(self, token: str) -> Invite:
        """Raises `Problem`: 401 invite_invalid when forged or malformed, 410 booking_over."""
        try:
            if _header(token).get("typ") != _INVITE:
                raise _Refused("not an invite")
            claims = _decode(token, self._key, _HMAC, _INVITE, None)
            invite = Invite(claims["booking_id"], claims["tenant"], claims["jti"])
            if type(invite.booking_id) is not int or not _is_id(invite.tenant):
                raise _Refused("claims missing or malformed")
            expires = _number(claims, "exp")
        except (_Refused, KeyError) as reason:
            logs.event("invite.refused", reason=str(reason))
            raise Problem(401, "invite_invalid", headers=_CHALLENGE) from None
        if self._clock.now().timestamp() >= expires:
            raise Problem(410, "booking_over")
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
        raise _Refused("token too long")
    try:
        return jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError) as error:
        raise _Refused(type(error).__name__) from None


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
        raise _Refused(type(error).__name__) from None
    return claims


def _check_times(claims: Mapping[str, Any], now: datetime, leeway: timedelta) -> None:
    seconds, margin = now.timestamp(), leeway.total_seconds()
    if seconds - margin >= _number(claims, "exp"):
        raise _Refused("expired")
    for claim in ("nbf", "iat"):
        if claim in claims and seconds + margin < _number(claims, claim):
            raise _Refused(f"{claim} is in the future")


def _number(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    # Not so large that it means never, and neither NaN nor infinite.
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12:
        return value
    raise _Refused(f"{name} is no time")


def _caller(claims: Mapping[str, Any]) -> Caller:
    sub, tenant = claims.get("sub"), claims.get("tenant")
    if not _is_id(sub) or not _is_id(tenant):
        raise _Refused("sub or tenant is missing or malformed")
    roles = claims.get("roles", ["user"])
    if not isinstance(roles, list):
        raise _Refused("roles is no list")
    return Caller(
        sub=str(sub),
        tenant=str(tenant),
        roles=ROLES & {role for role in roles if isinstance(role, str)},
        email=_text(claims.get("email")),
        name=_text(claims.get("name")),
    )


def _is_id(value: object) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and _TEXT.fullmatch(value) else None
