"""The signing keys of an OpenID Connect issuer (RFC 7517).

PyJWT and aiohttp are loaded when first needed: importing this stays cheap.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.platform import logs
from shared.platform.clock import Clock
from shared.platform.problems import Problem

if TYPE_CHECKING:
    from aiohttp import ClientSession
    from jwt import PyJWK

SIGNATURES = {"RSA": ("RS256", "PS256"), "EC": ("ES256",)}
"""The algorithms that we accept from an issuer, by the type of key that they take."""


class Refused(Exception):
    """Why a token is refused: for the log, never for the caller."""


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
            raise Refused("unknown key")
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
        for algorithm in SIGNATURES.get(str(jwk.get("kty")), ()):
            if jwk.get("alg", algorithm) == algorithm:
                try:
                    keys[jwk.get("kid"), algorithm] = PyJWK(jwk, algorithm)
                except PyJWTError:
                    logs.event("auth.jwk_unusable", level=logging.WARNING, kid=jwk.get("kid"))
    return keys
