"""Tokens of every bad kind, and an issuer on a real socket."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from shared.platform.auth import Caller, Invite, Invites, LocalTokens, TokenVerifier
from shared.platform.jwks import JwksKeys
from shared.platform.problems import Problem
from tests.fakes.clock import ManualClock
from tests.unit.platform.conftest import AUDIENCE, ISSUER, SECRET, SettingsOf

LINK_KEY = "a-link-key-for-tests-of-32-characters"
BOOKING = 2026062000123456


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def no_session() -> aiohttp.ClientSession:
    raise AssertionError("nothing should be fetched")


def claims_at(clock: ManualClock, **changes: Any) -> dict[str, Any]:
    """Good claims with some changed; None takes one away."""
    now = int(clock.now().timestamp())
    claims: dict[str, Any] = {"sub": "alice", "tenant": "acme", "roles": ["user"]}
    claims |= {"iss": ISSUER, "aud": AUDIENCE, "iat": now, "nbf": now, "exp": now + 3600, **changes}
    return {name: value for name, value in claims.items() if value is not None}


async def refused(verifier: TokenVerifier, header: str | None) -> Problem:
    with pytest.raises(Problem) as caught:
        await verifier.verify(header)
    return caught.value


async def unauthorized(verifier: TokenVerifier, token: str) -> None:
    problem = await refused(verifier, f"Bearer {token}")
    assert (problem.status, problem.code) == (401, "unauthorized")
    assert problem.headers == {"WWW-Authenticate": 'Bearer error="invalid_token"'}


# With a shared secret.


@pytest.fixture
def verifier(settings_of: SettingsOf, clock: ManualClock) -> TokenVerifier:
    return TokenVerifier(settings_of(), clock, no_session)


Sign = Callable[..., str]


@pytest.fixture
def sign(clock: ManualClock) -> Sign:
    def make(**changes: Any) -> str:
        return jwt.encode(claims_at(clock, **changes), SECRET, "HS256")

    return make


async def test_a_good_token(verifier: TokenVerifier, sign: Sign) -> None:
    token = sign(roles=["admin", "chef", 7], email="a@b.c", name="Alice")
    caller = await verifier.verify(f"Bearer {token}")
    assert caller == Caller("alice", "acme", frozenset({"admin"}), "a@b.c", "Alice")
    assert (caller.is_admin, caller.is_operator, caller.display) == (True, False, "Alice")
    assert await verifier.verify(f"bearer   {token} ") == caller


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        *((None, {"user"}), ([], set()), (["chef"], set())),
        (["operator", "user"], {"operator", "user"}),
    ],
)
async def test_roles(
    verifier: TokenVerifier, sign: Sign, roles: list[str] | None, expected: set[str]
) -> None:
    assert (await verifier.verify(f"Bearer {sign(roles=roles)}")).roles == expected


async def test_display_falls_back(verifier: TokenVerifier, sign: Sign) -> None:
    assert (await verifier.verify(f"Bearer {sign(email='a@b.c')}")).display == "a@b.c"
    odd = sign(name=7, email="x\n")
    assert (await verifier.verify(f"Bearer {odd}")).display == "alice"


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic YTpi", "token"])
async def test_no_token(verifier: TokenVerifier, header: str | None) -> None:
    problem = await refused(verifier, header)
    assert (problem.status, problem.code) == (401, "unauthorized")


@pytest.mark.parametrize(
    "changes",
    [
        *({"iss": "https://other/"}, {"iss": None}, {"iss": 7}, {"aud": "other"}, {"aud": None}),
        *({"aud": ["other"]}, {"exp": None}, {"exp": "soon"}, {"exp": True}, {"exp": 1e300}),
        *({"exp": float("inf")}, {"exp": float("nan")}, {"nbf": "now"}, {"iat": "now"}),
        *({"exp": 10**400}, {"sub": None}, {"sub": ""}, {"sub": 7}, {"sub": "x" * 201}),
        *({"tenant": None}, {"tenant": ""}, {"tenant": ["acme"]}, {"tenant": "x" * 201}),
        *({name: f"a{bad}b"} for bad in "/\\#?|\n\x00\x7f\x85" for name in ("sub", "tenant")),
        *({"tenant": "a\ud800"}, {"roles": "admin"}, {"roles": {"admin": True}}),
    ],
    ids=str,
)
async def test_bad_claims(
    verifier: TokenVerifier, clock: ManualClock, changes: dict[str, Any]
) -> None:
    claims = claims_at(clock, **changes)
    await unauthorized(verifier, by_hand({"alg": "HS256"}, claims, SECRET.encode()))


@pytest.mark.parametrize("aud", [AUDIENCE, ["other", AUDIENCE]])
async def test_one_audience_of_many(verifier: TokenVerifier, sign: Sign, aud: Any) -> None:
    assert await verifier.verify(f"Bearer {sign(aud=aud)}")


@pytest.mark.parametrize(
    ("claim", "offset", "good"),
    [
        *(("exp", 1, True), ("exp", -29, True), ("exp", -30, False), ("exp", -3600, False)),
        *(("nbf", -1, True), ("nbf", 30, True), ("nbf", 31, False), ("iat", 31, False)),
    ],
)
async def test_times_have_a_leeway_of_30_s(
    verifier: TokenVerifier, sign: Sign, clock: ManualClock, claim: str, offset: int, good: bool
) -> None:
    token = sign(**{claim: int(clock.now().timestamp()) + offset})
    if good:
        assert await verifier.verify(f"Bearer {token}")
    else:
        await unauthorized(verifier, token)


async def test_it_is_our_clock_that_counts(
    verifier: TokenVerifier, sign: Sign, clock: ManualClock
) -> None:
    clock.time = datetime(2050, 1, 1, tzinfo=UTC)
    token = sign(nbf=None, iat=None)
    assert await verifier.verify(f"Bearer {token}")
    clock.advance(hours=1, seconds=30)
    await unauthorized(verifier, token)


def part(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def by_hand(header: dict[str, Any], claims: dict[str, Any], key: bytes | None) -> str:
    """A token that no honest library would make."""
    signing_input = f"{part(header)}.{part(claims)}"
    signature = hmac.new(key, signing_input.encode(), hashlib.sha256).digest() if key else b""
    return f"{signing_input}.{part(signature)}"


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE"])
async def test_alg_none(verifier: TokenVerifier, clock: ManualClock, alg: str) -> None:
    token = by_hand({"alg": alg, "typ": "JWT"}, claims_at(clock), None)
    await unauthorized(verifier, token)
    await unauthorized(verifier, by_hand({"alg": alg}, claims_at(clock), SECRET.encode()))


@pytest.mark.parametrize("alg", ["HS384", "HS512"])
async def test_other_hmacs(verifier: TokenVerifier, clock: ManualClock, alg: str) -> None:
    key = SECRET * 2
    await unauthorized(verifier, jwt.encode(claims_at(clock), key, alg))


@pytest.mark.parametrize(
    "header",
    [
        *({"alg": "HS256", "crit": ["x"], "x": 1}, {"alg": "HS256", "kid": 7}, {}, {"alg": None}),
        *({"alg": "HS256", "typ": "invite"}, {"alg": "HS256", "typ": 7}, {"alg": ["HS256"]}),
        {"alg": "HS256", "b64": False, "crit": ["b64"]},
    ],
    ids=str,
)
async def test_bad_headers(
    verifier: TokenVerifier, clock: ManualClock, header: dict[str, Any]
) -> None:
    await unauthorized(verifier, by_hand(header, claims_at(clock), SECRET.encode()))


async def test_altered_and_malformed(verifier: TokenVerifier, sign: Sign) -> None:
    header, payload, signature = sign().split(".")
    other = part({**json.loads(base64.urlsafe_b64decode(payload + "==")), "roles": ["operator"]})
    for token in (
        *(f"{header}.{other}.{signature}", f"{header}.{payload}.", f"{header}.{payload}"),
        *("a.b.c", "...", ".", "é.é.é", "\ud800", f"{header}.{part(b'[]')}.{signature}"),
        *(f"{header}.{payload}.{signature}x", "x" * 20_000, part(b"\xff") + ".e30.e30"),
        by_hand({"alg": "HS256"}, {}, SECRET.encode()),
    ):
        await unauthorized(verifier, token)
    await unauthorized(verifier, jwt.encode({}, "another-secret-of-at-least-32-chars", "HS256"))


@pytest.mark.parametrize("amr", [None, [], ["pwd"], "mfa"])
async def test_an_operator_needs_a_second_factor_where_that_is_demanded(
    settings_of: SettingsOf, clock: ManualClock, sign: Sign, amr: object
) -> None:
    strict = TokenVerifier(settings_of(operator_mfa="true"), clock, no_session)
    await unauthorized(strict, sign(roles=["operator"], amr=amr))
    operator = await strict.verify(f"Bearer {sign(roles=['operator'], amr=['pwd', 'mfa'])}")
    assert operator.is_operator
    assert await strict.verify(f"Bearer {sign(roles=['user'], amr=amr)}")


@pytest.mark.parametrize(
    ("claims", "fresh"),
    [
        # When the token was made says nothing: it is renewed without anybody signing in.
        *(({}, False), ({"auth_time": None}, False), ({"auth_time": -600}, True)),
        *(({"auth_time": -601}, False), ({"iat": -601, "auth_time": -1}, True)),
        *(({"auth_time": word}, False) for word in ("soon", True, float("nan"), 1e13, [0])),
        ({"auth_time": -1e11}, False),
    ],
)
async def test_what_demands_a_fresh_sign_in_gets_one(
    verifier: TokenVerifier, clock: ManualClock, sign: Sign, claims: dict[str, Any], fresh: bool
) -> None:
    """`auth_time`, in seconds from now."""
    now = clock.now().timestamp()
    moments = {name: now + value if type(value) is int else value for name, value in claims.items()}
    caller = await verifier.verify(f"Bearer {sign(**moments)}")
    caller.require_fresh(timedelta(0), clock.now())
    if fresh:
        caller.require_fresh(timedelta(minutes=10), clock.now())
        return
    with pytest.raises(Problem) as caught:
        caller.require_fresh(timedelta(minutes=10), clock.now())
    assert (caught.value.status, caught.value.code) == (401, "fresh_sign_in_required")
    challenge = 'Bearer error="insufficient_user_authentication", max_age="600"'
    assert caught.value.headers == {"WWW-Authenticate": challenge}


@pytest.mark.parametrize("sub", ["key:1", "timer:fleet_tick", "invite:guest"])
async def test_nobody_is_named_like_who_is_no_person(
    verifier: TokenVerifier, sign: Sign, sub: str
) -> None:
    await unauthorized(verifier, sign(sub=sub))


async def test_the_platform_is_no_customers_tenant(verifier: TokenVerifier, sign: Sign) -> None:
    await unauthorized(verifier, sign(tenant="platform", roles=["admin"]))
    operator = sign(tenant="platform", roles=["operator"])
    assert (await verifier.verify(f"Bearer {operator}")).is_operator


async def test_a_signature_by_a_public_key_is_refused_with_a_secret(
    verifier: TokenVerifier, clock: ManualClock
) -> None:
    token = jwt.encode(claims_at(clock), RSA, "RS256", {"kid": "k1"})
    await unauthorized(verifier, token)


# With an issuer.

RSA = rsa.generate_private_key(65537, 2048)
RSA2 = rsa.generate_private_key(65537, 2048)
SMALL = rsa.generate_private_key(65537, 1024)
EC = ec.generate_private_key(ec.SECP256R1())
EC384 = ec.generate_private_key(ec.SECP384R1())


def jwk(private: Any, kid: str | None, **more: Any) -> dict[str, Any]:
    name = "RS256" if isinstance(private, rsa.RSAPrivateKey) else "ES256"
    to_jwk: Any = jwt.get_algorithm_by_name(name).to_jwk
    public = to_jwk(private.public_key(), as_dict=True)
    public.pop("key_ops", None)
    return {**public, **({"kid": kid} if kid else {}), **more}


class Issuer:
    """Publishes `keys`, or misbehaves as told; counts the fetches."""

    def __init__(self) -> None:
        self.keys: list[Any] = []
        self.body: str | None = None
        self.status = 200
        self.hold: asyncio.Event | None = None
        self.asked = asyncio.Event()
        self.fetches = 0
        self.url = ""

    async def answer(self, _: web.Request) -> web.Response:
        self.fetches += 1
        self.asked.set()
        if self.hold:
            await self.hold.wait()
        body = json.dumps({"keys": self.keys}) if self.body is None else self.body
        return web.Response(text=body, status=self.status)


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    server = Issuer()
    app = web.Application()
    app.router.add_get("/keys", server.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/keys"
    yield server
    await runner.cleanup()


@pytest.fixture
async def remote(
    settings_of: SettingsOf, clock: ManualClock, issuer: Issuer
) -> AsyncIterator[TokenVerifier]:
    settings = settings_of(mode="azure", jwt_secret=None, jwks_url=issuer.url)
    async with aiohttp.ClientSession() as session:
        yield TokenVerifier(settings, clock, lambda: session)


Signed = Callable[..., str]


@pytest.fixture
def signed(clock: ManualClock) -> Signed:
    def make(key: Any = RSA, algorithm: str = "RS256", kid: str | None = "k1", **c: Any) -> str:
        headers = {"kid": kid} if kid else {}
        return "Bearer " + jwt.encode(claims_at(clock, **c), key, algorithm, headers)

    return make


async def gone(verifier: TokenVerifier, header: str) -> None:
    problem = await refused(verifier, header)
    assert (problem.status, problem.code) == (401, "unauthorized")


@pytest.mark.parametrize(
    ("key", "algorithm"), [(RSA, "RS256"), (RSA, "PS256"), (EC, "ES256")], ids=lambda v: str(v)[:5]
)
@pytest.mark.parametrize("stated", [True, False])
async def test_the_three_signatures(
    remote: TokenVerifier, issuer: Issuer, signed: Signed, key: Any, algorithm: str, stated: bool
) -> None:
    issuer.keys = [jwk(key, "k1", **({"alg": algorithm, "use": "sig"} if stated else {}))]
    for _ in range(3):
        assert (await remote.verify(signed(key, algorithm))).sub == "alice"
    assert issuer.fetches == 1


async def test_a_key_without_kid(remote: TokenVerifier, issuer: Issuer, signed: Signed) -> None:
    issuer.keys = [jwk(RSA, None)]
    assert await remote.verify(signed(kid=None))
    await gone(remote, signed(kid="k1"))


async def test_wrong_keys_and_algorithms(
    remote: TokenVerifier, issuer: Issuer, signed: Signed, clock: ManualClock
) -> None:
    issuer.keys = [jwk(RSA, "k1", alg="RS256"), jwk(EC, "k2"), jwk(RSA2, "enc", use="enc")]
    issuer.keys += [jwk(SMALL, "small"), jwk(EC384, "wide")]
    issuer.keys += [{"kty": "oct", "k": part(SECRET.encode()), "kid": "oct"}]
    assert await remote.verify(signed())
    for header in (
        signed(RSA2),
        signed(kid="other"),
        signed(kid="k2"),
        signed(kid=None),
        signed(RSA, "PS256"),
        signed(RSA, "RS512"),
        signed(RSA2, kid="enc"),
        signed(EC384, "ES384", kid="wide"),
        signed(SECRET, "HS256", kid="oct"),
        signed(SECRET, "HS256"),
        signed(exp=1),
        signed(exp=None),
        signed(nbf=int(clock.now().timestamp()) + 31),
        signed(iat=int(clock.now().timestamp()) + 31),
        signed(aud="other"),
        signed(aud=None),
        signed(iss="https://other.test/"),
        signed(iss=None),
        signed(tenant=None),
    ):
        await gone(remote, header)
    assert await remote.verify(signed(exp=int(clock.now().timestamp()) - 29))
    for alg in ("none", "None", "NONE", "", "RS256"):
        weak = by_hand({"alg": alg, "kid": "k1"}, claims_at(clock), None)
        await gone(remote, f"Bearer {weak}")


async def test_claims_of_another_token_do_not_fit_the_signature(
    remote: TokenVerifier, issuer: Issuer, signed: Signed, clock: ManualClock
) -> None:
    issuer.keys = [jwk(RSA, "k1")]
    header, payload, signature = signed().split(".")
    other = signed(roles=["operator"], tenant="evil").split(".")
    assert await remote.verify(f"{header}.{payload}.{signature}")
    await gone(remote, f"{header}.{other[1]}.{signature}")
    await gone(remote, f"{header}.{payload}.{other[2]}")
    await gone(remote, f"{header}.{payload}.{signature[:-8]}")


async def test_a_token_does_not_bring_its_own_key(
    remote: TokenVerifier, issuer: Issuer, clock: ManualClock
) -> None:
    """The headers that name a key (RFC 7515, 4.1) are not believed, and nothing is fetched."""
    issuer.keys = [jwk(RSA, "k1")]
    theirs = jwk(RSA2, "k1")
    evil = "http://evil.test/keys"
    for header in ({"jwk": theirs}, {"jku": evil}, {"x5u": evil}, {"x5c": ["MII"]}):
        token = jwt.encode(claims_at(clock), RSA2, "RS256", {"kid": "k1", **header})
        await gone(remote, f"Bearer {token}")
    assert issuer.fetches == 1


async def test_a_small_key_is_refused(
    remote: TokenVerifier, issuer: Issuer, clock: ManualClock
) -> None:
    issuer.keys = [jwk(SMALL, "small")]
    claims = claims_at(clock)
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        token = jwt.encode(claims, SMALL, "RS256", {"kid": "small"})
    await gone(remote, f"Bearer {token}")


@pytest.mark.parametrize("alg", ["HS256", "RS256"])
async def test_the_public_key_is_no_secret(
    remote: TokenVerifier, issuer: Issuer, clock: ManualClock, alg: str
) -> None:
    issuer.keys = [jwk(RSA, "k1")]
    public = RSA.public_key()
    pem = serialization.PublicFormat.SubjectPublicKeyInfo
    for encoding in (serialization.Encoding.PEM, serialization.Encoding.DER):
        key = public.public_bytes(encoding, pem)
        for each in (key, key.strip(), json.dumps(jwk(RSA, "k1")).encode()):
            forged = by_hand({"alg": alg, "kid": "k1"}, claims_at(clock), each)
            await gone(remote, f"Bearer {forged}")


async def test_keys_roll_over(
    remote: TokenVerifier, issuer: Issuer, signed: Signed, clock: ManualClock
) -> None:
    issuer.keys = [jwk(RSA, "k1")]
    assert await remote.verify(signed())
    issuer.keys = [jwk(RSA2, "k2")]
    new = signed(RSA2, kid="k2")
    await gone(remote, new)
    assert issuer.fetches == 1
    clock.advance(seconds=30)
    assert await remote.verify(new)
    assert issuer.fetches == 2
    await gone(remote, signed())


async def test_unknown_kids_fetch_at_most_once_in_30_s(
    remote: TokenVerifier, issuer: Issuer, signed: Signed, clock: ManualClock
) -> None:
    issuer.keys = [jwk(RSA, "k1")]
    assert await remote.verify(signed())
    clock.advance(seconds=31)
    await asyncio.gather(*(gone(remote, signed(kid=f"invented-{n}")) for n in range(20)))
    assert issuer.fetches == 2
    assert await remote.verify(signed())


async def test_keys_are_fetched_again_after_an_hour(
    remote: TokenVerifier, issuer: Issuer, signed: Signed, clock: ManualClock
) -> None:
    issuer.keys = [jwk(RSA, "k1")]
    assert await remote.verify(signed())
    clock.advance(minutes=59)
    assert await remote.verify(signed())
    assert issuer.fetches == 1
    issuer.keys = []
    clock.advance(minutes=1)
    assert await remote.verify(signed())  # An empty list is a mistake of theirs, not a revocation.
    assert issuer.fetches == 2
    issuer.keys = [jwk(RSA2, "k2")]
    clock.advance(hours=1)
    await gone(remote, signed())


@pytest.mark.parametrize(
    ("status", "body"), [(500, ""), (200, "<html>"), (200, "[]"), (200, '{"keys": 7}'), (404, "{}")]
)
async def test_old_keys_stay_when_the_fetch_fails(
    remote: TokenVerifier,
    issuer: Issuer,
    signed: Signed,
    clock: ManualClock,
    status: int,
    body: str,
) -> None:
    issuer.keys = [jwk(RSA, "k1")]
    assert await remote.verify(signed())
    issuer.status, issuer.body = status, body
    clock.advance(hours=2)
    assert await remote.verify(signed())
    assert issuer.fetches == 2
    assert await remote.verify(signed())
    assert issuer.fetches == 2


@pytest.mark.parametrize("body", ['{"keys": [7, {}, {"kty": "RSA", "kid": "k1"}]}', "", "null"])
async def test_no_keys_at_all(
    remote: TokenVerifier, issuer: Issuer, signed: Signed, clock: ManualClock, body: str
) -> None:
    issuer.body = body
    problem = await refused(remote, signed())
    assert (problem.status, problem.code) == (503, "auth_unavailable")
    assert problem.headers == {"Retry-After": "5"}
    issuer.body, issuer.keys = None, [jwk(RSA, "k1")]
    clock.advance(seconds=1)
    assert await remote.verify(signed())


async def test_an_issuer_that_is_down(
    settings_of: SettingsOf, clock: ManualClock, signed: Signed, unused_tcp_port: int
) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}/keys"
    settings = settings_of(mode="azure", jwt_secret=None, jwks_url=url)
    async with aiohttp.ClientSession() as session:
        problem = await refused(TokenVerifier(settings, clock, lambda: session), signed())
    assert problem.code == "auth_unavailable"


async def test_an_issuer_that_hangs_is_given_up(
    remote: TokenVerifier,
    issuer: Issuer,
    signed: Signed,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert timedelta(seconds=3) == JwksKeys.TIMEOUT
    issuer.keys = [jwk(RSA, "k1")]
    assert await remote.verify(signed())
    issuer.hold = asyncio.Event()
    clock.advance(hours=2)
    monkeypatch.setattr(JwksKeys, "TIMEOUT", timedelta(seconds=0.2))
    assert await remote.verify(signed())
    issuer.hold.set()


async def test_who_has_an_old_key_does_not_wait_for_the_fetch(
    remote: TokenVerifier, issuer: Issuer, signed: Signed, clock: ManualClock
) -> None:
    issuer.keys = [jwk(RSA, "k1")]
    assert await remote.verify(signed())
    issuer.hold = asyncio.Event()
    issuer.asked.clear()
    clock.advance(hours=2)
    fetching = asyncio.create_task(remote.verify(signed()))
    await issuer.asked.wait()
    assert await remote.verify(signed(sub="bob"))
    assert not fetching.done()
    issuer.hold.set()
    assert (await fetching).sub == "alice"


async def test_who_has_no_key_waits_for_the_fetch(
    remote: TokenVerifier, issuer: Issuer, signed: Signed, clock: ManualClock
) -> None:
    issuer.keys = [jwk(RSA, "k1")]
    assert all(await asyncio.gather(*(remote.verify(signed()) for _ in range(10))))
    assert issuer.fetches == 1
    issuer.keys.append(jwk(RSA2, "k2"))
    clock.advance(minutes=1)
    new = signed(RSA2, kid="k2")
    assert all(await asyncio.gather(*(remote.verify(new) for _ in range(10))))
    assert issuer.fetches == 2


async def test_with_an_issuer_a_secret_is_not_accepted(
    remote: TokenVerifier, issuer: Issuer, sign: Sign
) -> None:
    issuer.keys = [jwk(RSA, "k1")]
    await unauthorized(remote, sign())
    assert issuer.fetches == 0


# Local sign-in.


async def test_local_tokens(
    settings_of: SettingsOf, verifier: TokenVerifier, clock: ManualClock
) -> None:
    tokens = LocalTokens(settings_of(), clock)
    token = tokens.issue("alice", "acme", ["user", "admin"], "Alice", "a@b.c")
    caller = await verifier.verify(f"Bearer {token}")
    assert caller == Caller("alice", "acme", frozenset({"user", "admin"}), "a@b.c", "Alice")
    clock.advance(hours=12, seconds=30)
    await unauthorized(verifier, token)
    short = tokens.issue("bob", "acme", [], ttl=timedelta(minutes=1))
    assert await verifier.verify(f"Bearer {short}") == Caller("bob", "acme", frozenset())
    clock.advance(minutes=2)
    await unauthorized(verifier, short)


@pytest.mark.parametrize(
    "changes",
    [{"mode": "azure"}, {"jwt_secret": None, "jwks_url": "https://issuer.test/keys"}],
    ids=["azure", "no secret"],
)
def test_local_tokens_are_local(
    settings_of: SettingsOf, clock: ManualClock, changes: dict[str, Any]
) -> None:
    with pytest.raises(Problem) as caught:
        LocalTokens(settings_of(**changes), clock).issue("alice", "acme", ["user"])
    assert (caught.value.status, caught.value.code) == (404, "local_only")


# Invites.


@pytest.fixture
def invites() -> Invites:
    return Invites(LINK_KEY)


def not_read(invites: Invites, token: str) -> tuple[int, str]:
    with pytest.raises(Problem) as caught:
        invites.read(token)
    return caught.value.status, caught.value.code


def test_an_invite_is_the_same_text_each_time(invites: Invites) -> None:
    token = invites.issue(BOOKING, "acme", "jti-1")
    assert invites.read(token) == Invite(BOOKING, "acme", "jti-1")
    assert token == Invites(LINK_KEY).issue(BOOKING, "acme", "jti-1")
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert claims.keys() == {"aud", "booking_id", "tenant", "jti"}


def test_forged_invites(invites: Invites) -> None:
    good = {"aud": "invite", "booking_id": BOOKING, "tenant": "acme", "jti": "j"}
    key, header = LINK_KEY.encode(), {"alg": "HS256", "typ": "invite"}
    assert invites.read(by_hand(header, good, key)) == Invite(BOOKING, "acme", "j")
    other = Invites("another-link-key-of-32-characters")
    forged = [other.issue(BOOKING, "acme", "j"), "", "x", "a.b.c", "é"]
    forged += [by_hand({**header, "alg": "none"}, good, None)]
    forged += [by_hand({**header, "typ": "JWT"}, good, key), by_hand({"alg": "HS256"}, good, key)]
    bad: list[tuple[str, Any]] = [("booking_id", "7"), ("booking_id", True), ("tenant", 7)]
    bad += [("tenant", "a/b"), ("jti", 7), ("aud", "x")]
    forged += [by_hand(header, {**good, name: value}, key) for name, value in bad]
    forged += [by_hand(header, {k: v for k, v in good.items() if k != n}, key) for n in good]
    for token in forged:
        assert not_read(invites, token) == (401, "invite_invalid")


@pytest.mark.parametrize("exp", [1, 1_781_082_000, 4_102_444_800])
def test_invites_of_an_older_version_are_read_still(invites: Invites, exp: int) -> None:
    """They had times, which meant the end of the booking as it was then."""
    claims = {"aud": "invite", "booking_id": BOOKING, "tenant": "acme", "jti": "guest"}
    token = by_hand(
        {"alg": "HS256", "typ": "invite"}, {**claims, "iat": exp, "exp": exp}, LINK_KEY.encode()
    )
    assert invites.read(token) == Invite(BOOKING, "acme", "guest")


async def test_an_invite_is_no_bearer_token_and_the_reverse(
    settings_of: SettingsOf, clock: ManualClock, verifier: TokenVerifier
) -> None:
    same_key = Invites(SECRET)
    token = same_key.issue(BOOKING, "acme", "j")
    await unauthorized(verifier, token)
    bearer = LocalTokens(settings_of(), clock).issue("alice", "acme", ["user"])
    assert not_read(same_key, bearer) == (401, "invite_invalid")
    # Even with every claim right, the header tells them apart.
    claims = claims_at(clock, booking_id=BOOKING, jti="j")
    await unauthorized(
        verifier, by_hand({"alg": "HS256", "typ": "invite"}, claims, SECRET.encode())
    )
    claims = claims_at(clock, booking_id=BOOKING, jti="j", aud="invite")
    for typ in ("JWT", "at+jwt"):
        forged = by_hand({"alg": "HS256", "typ": typ}, claims, SECRET.encode())
        assert not_read(same_key, forged) == (401, "invite_invalid")


def test_importing_it_is_cheap() -> None:
    heavy = "jwt cryptography aiohttp azure"
    code = (
        f"import sys, shared.platform.auth; print([m for m in {heavy.split()} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
