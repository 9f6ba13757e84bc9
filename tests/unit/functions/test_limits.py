"""Rate limits at the door: who is counted when, and what the answers say."""

from __future__ import annotations

import time
from typing import Any

import pytest

from functions.door import OPERATIONS
from shared.platform.auth import TokenVerifier
from shared.platform.throttle import DENIED
from tests.unit.functions.asking import Door

EXEMPT = {"health", "janus_events"}
"""Machines and probes call them, as often as they have to."""


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Door:
    return limited(monkeypatch)


def limited(monkeypatch: pytest.MonkeyPatch, **settings: Any) -> Door:
    door = Door(monkeypatch, **settings)
    monkeypatch.setattr(time, "time", lambda: door.world.now.timestamp())
    return door


async def test_every_answer_says_what_is_left(door: Door) -> None:
    for left in (299, 298):
        answer = await door.ask("rooms_list")
        assert answer.status == 200
        assert answer.headers["RateLimit-Limit"] == "300"
        assert answer.headers["RateLimit-Remaining"] == str(left)
        assert int(answer.headers["RateLimit-Reset"]) > 0
    problem = await door.ask("rooms_get", room_id="7")
    assert (problem.status, problem.headers["RateLimit-Remaining"]) == (404, "297")
    nobody = await door.ask("auth_config", token="")
    assert (nobody.status, nobody.headers["RateLimit-Limit"]) == (200, "1200")


async def test_a_caller_over_the_limit_is_refused_and_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    door = limited(monkeypatch, rate_caller="2/minute")
    for _ in range(2):
        assert (await door.ask("rooms_create", {})).status == 201
    answer = await door.ask("rooms_create", {}, headers={"accept-language": "en"})
    assert (answer.status, answer.code) == (429, "rate_limited")
    seconds = answer.headers["Retry-After"]
    assert f"wait {seconds} s" in answer.body["detail"]
    assert answer.headers["RateLimit-Remaining"] == "0"
    assert answer.headers["RateLimit-Reset"] == seconds
    assert (await door.ask("rooms_list", token=door.token("bob"))).status == 200
    assert len((await door.ask("rooms_list", token=door.token("bob"))).body) == 2
    door.world.clock.advance(seconds=int(seconds))
    assert (await door.ask("rooms_create", {})).status == 201


async def test_an_address_over_the_limit_is_refused_before_its_token_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    door = limited(monkeypatch, rate_address="3/hour")
    for who in ("alice", "bob", "carol"):
        assert (await door.ask("rooms_list", token=door.token(who))).status == 200

    async def verify(*_: object) -> None:
        raise AssertionError("the token was looked at")

    monkeypatch.setattr(TokenVerifier, "verify", verify)
    answer = await door.ask("rooms_list", address="10.0.0.1:5001")
    assert (answer.status, answer.code) == (429, "rate_limited")


async def test_another_address_is_not_refused_and_a_forged_one_does_not_help(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    door = limited(monkeypatch, rate_address="1/hour")
    assert (await door.ask("rooms_list")).status == 200
    assert (await door.ask("rooms_list", address="10.0.0.2:1")).status == 200
    forged = {"x-forwarded-for": "1.2.3.4, 10.0.0.1:7"}
    assert (await door.ask("rooms_list", headers=forged)).status == 429


async def test_who_guesses_tokens_is_out_ten_times_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    door = limited(monkeypatch, rate_address="100/hour")
    statuses = [(await door.ask("rooms_list", token="guess")).status for _ in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    assert DENIED == 10
    assert (await door.ask("rooms_list")).status == 429
    assert (await door.ask("rooms_list", address="10.0.0.2:1")).status == 200


async def test_guessed_invites_count_like_guessed_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    door = limited(monkeypatch, rate_address="30/hour")
    body = {"token": "guess", "nonce": "nonce-guest"}
    asked = [await door.ask("invites_join", body, token="") for _ in range(4)]
    assert [answer.status for answer in asked] == [401, 401, 401, 429]
    assert [a.headers["RateLimit-Remaining"] for a in asked] == ["20", "10", "0", "0"]


async def test_a_body_that_is_wrong_counts_once(door: Door) -> None:
    answer = await door.ask("rooms_create", {"nonsense": 1})
    assert (answer.status, answer.headers["RateLimit-Remaining"]) == (400, "299")


async def test_machines_and_probes_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {op.name for op in OPERATIONS if not op.throttled} == EXEMPT
    door = limited(monkeypatch, rate_address="1/day")
    for _ in range(3):
        answer = await door.ask("health", token="")
        assert answer.status == 200
        assert "RateLimit-Limit" not in answer.headers
        assert (await door.ask("janus_events", token="")).status == 401
    assert (await door.ask("auth_config", token="")).status == 200


async def test_limits_can_be_off(monkeypatch: pytest.MonkeyPatch) -> None:
    door = limited(monkeypatch, rate_address="off", rate_caller="off")
    answer = await door.ask("rooms_list", token="guess")
    assert answer.status == 401
    assert not [name for name in answer.headers if name.lower().startswith("ratelimit")]
