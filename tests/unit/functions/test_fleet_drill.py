"""`/api/v1/fleet/drills` and its timer, as the platform calls them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shared.fleet.compute import ComputeError, Power
from shared.fleet.store import DRILL
from tests.unit.functions.asking import HANDLERS, Answer, Door


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Door:
    return Door(monkeypatch)


async def ask(door: Door, name: str, body: Any = None, **headers: str) -> Answer:
    return await door.ask(name, body, token=door.token("olga", "acme", "operator"), headers=headers)


async def minutes(door: Door, count: int) -> None:
    for _ in range(count):
        await door.world.tick()
        await door.world.drain()
        await HANDLERS["fleet_drill"](None)
        door.world.clock.advance(minutes=1)


async def test_an_operator_begins_one_and_reads_what_came_of_it(door: Door) -> None:
    started = await ask(door, "fleet_drills_start", {"vm": "janus-1"})
    assert started.status == 202
    assert started.body == {
        "vm": "janus-1",
        "by": "olga",
        "started_at": "2026-06-10T09:00:00Z",
        "phase": "starting",
        "reason": "",
        "steps": {},
        "change": {},
    }
    assert (await ask(door, "fleet_drills")).body == [started.body]
    await minutes(door, 5)
    (over,) = (await ask(door, "fleet_drills")).body
    assert (over["vm"], over["by"], over["result"]) == ("janus-1", "olga", "ok")
    assert over["steps"].keys() == {"start", "ready", "room", "join", "destroy", "deallocate"}
    assert "phase" not in over


async def test_the_newest_is_the_first(door: Door) -> None:
    assert (await ask(door, "fleet_drills")).body == []
    for vm in ("janus-0", "janus-1"):
        assert (await ask(door, "fleet_drills_start", {"vm": vm})).status == 202
        await minutes(door, 5)
    assert (await ask(door, "fleet_drills_start", {})).body["vm"] == "janus-0"
    listed = (await ask(door, "fleet_drills")).body
    assert [one["vm"] for one in listed] == ["janus-0", "janus-1", "janus-0"]


async def test_the_trail_names_who_began_it(door: Door) -> None:
    await ask(door, "fleet_drills_start", {})
    await minutes(door, 5)
    await door.world.drain()
    params = {"scope": "platform"}
    token = door.token("olga", "acme", "operator")
    trail = (await door.ask("audit_list", token=token, params=params)).body
    drills = [(e["actor"], e["action"], e["address"]) for e in trail if "drill" in e["action"]]
    assert drills == [
        ("timer:fleet_drill", "drill.end", ""),
        ("olga", "drill.start", "10.0.0.1:5000"),
    ]


async def test_only_one_at_a_time(door: Door) -> None:
    await ask(door, "fleet_drills_start", {})
    again = await ask(door, "fleet_drills_start", {"vm": "janus-1"})
    assert (again.status, again.code) == (409, "drill_under_way")


async def test_of_several_at_the_same_moment_one_begins(door: Door) -> None:
    asked = [ask(door, "fleet_drills_start", {"vm": f"janus-{n % 2}"}) for n in range(4)]
    answers = sorted(await asyncio.gather(*asked), key=lambda answer: answer.status)
    assert [answer.status for answer in answers] == [202, 409, 409, 409]
    assert {answer.code for answer in answers[1:]} == {"drill_under_way"}
    (begun,) = (await ask(door, "fleet_drills")).body
    assert begun == answers[0].body


@pytest.mark.parametrize(("language", "said"), [("en", "a booking needs"), ("pt", "uma reserva")])
async def test_not_while_a_booking_needs_a_machine(door: Door, language: str, said: str) -> None:
    await door.world.book(60)
    answer = await ask(door, "fleet_drills_start", {}, **{"accept-language": language})
    assert (answer.status, answer.code) == (409, "drill_not_idle")
    assert said in answer.body["detail"]
    assert not door.world.tables.rows.get(("Fleet", "00"), {}).get(DRILL)


async def test_only_a_machine_that_is_off_and_exists(door: Door) -> None:
    door.world.compute.set_power("janus-0", Power.RUNNING)
    answer = await ask(door, "fleet_drills_start", {"vm": "janus-0"})
    assert (answer.status, answer.code) == (409, "vm_not_off")
    answer = await ask(door, "fleet_drills_start", {"vm": "janus-9"})
    assert (answer.status, answer.code) == (404, "vm_not_found")
    door.world.compute.set_power("janus-1", Power.RUNNING)
    answer = await ask(door, "fleet_drills_start", {})
    assert (answer.status, answer.code) == (409, "drill_not_idle")


async def test_without_an_answer_of_the_host_it_is_for_later(door: Door) -> None:
    door.world.compute.unavailable = ComputeError("auth", "forbidden")
    answer = await ask(door, "fleet_drills_start", {})
    assert (answer.status, answer.code) == (503, "compute_unavailable")


async def test_it_takes_a_fresh_sign_in_where_that_is_demanded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    door = Door(monkeypatch, operator_fresh="PT15M")
    token = door.token("olga", "acme", "operator")
    door.world.clock.advance(minutes=20)
    answer = await door.ask("fleet_drills_start", {}, token=token)
    assert (answer.status, answer.code) == (401, "fresh_sign_in_required")
    assert (await door.ask("fleet_drills", token=token)).status == 200
