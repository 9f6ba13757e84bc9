"""The Janus port: the same suite for the fake and for Debian's Janus behind the real client."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest
from aiohttp import encode_basic_auth, web
from aiohttp.test_utils import BaseTestServer, TestServer

from shared.fleet.compute import Machine, Power
from shared.janus import config, process
from shared.janus.client import JanusClients
from shared.janus.events import redact
from shared.janus.keys import room_secret, vm_keys
from shared.janus.port import (
    Janus,
    JanusError,
    JanusUnavailable,
    NoSuchRoom,
    Participant,
    RoomSpec,
)
from shared.janus.tokens import session_token
from shared.platform.clock import parse
from tests.fakes.compute import FakeCompute
from tests.janus import JANUS_KEY, Caller, LocalVms

BIG = 2**52 + 1
ROOM = RoomSpec(BIG, "Ab3xkL9pQ2", 2, room_secret(JANUS_KEY, BIG))
VM = "janus-0"


class Machines(Protocol):
    """One machine whose Janus is ready, and what happens to it."""

    janus: Janus

    async def join(self, room: RoomSpec, participant_id: int, display: str) -> None: ...
    async def hang(self) -> None: ...
    async def crash(self) -> None: ...
    async def restart(self) -> None: ...


class FakeMachines:
    def __init__(self) -> None:
        self.compute = FakeCompute()
        self.fake = self.compute.janus[VM]
        self.janus: Janus = self.fake

    async def join(self, room: RoomSpec, participant_id: int, display: str) -> None:
        self.fake.join(room.room_id, participant_id, display)

    async def hang(self) -> None:
        self.fake.down = True

    async def crash(self) -> None:
        self.compute.crash(VM)

    async def restart(self) -> None:
        await self.compute.restart(VM)


class RealMachines:
    def __init__(self, vms: LocalVms, machine: Machine) -> None:
        self.vms = vms
        self.machine = machine
        self.janus = vms.janus(machine)
        self.callers: list[Caller] = []

    async def join(self, room: RoomSpec, participant_id: int, display: str) -> None:
        caller = await self.vms.caller(self.machine)
        self.callers.append(caller)
        token = self.vms.room_token(self.machine, room.room_id)
        await caller.join(room.room_id, room.pin, token, participant_id, display)

    async def hang(self) -> None:
        self.vms.signal(VM, signal.SIGSTOP)

    async def crash(self) -> None:
        self.vms.signal(VM, signal.SIGKILL)

    async def restart(self) -> None:
        await self.vms.compute.restart(VM)
        await self.vms.running(VM)


@pytest.fixture
async def real() -> AsyncIterator[RealMachines]:
    async with LocalVms() as vms:
        yield RealMachines(vms, await vms.running(VM))


@pytest.fixture(params=["fake", "real"])
async def machines(request: pytest.FixtureRequest) -> AsyncIterator[Machines]:
    if request.param == "fake":
        fake = FakeMachines()
        await fake.compute.start(VM)
        yield fake
        return
    async with LocalVms() as vms:
        yield RealMachines(vms, await vms.running(VM))


async def refused(request: Awaitable[object]) -> JanusError:
    with pytest.raises(JanusError) as caught:
        await request
    return caught.value


def every_request(janus: Janus) -> dict[str, Callable[[], Awaitable[object]]]:
    return {
        "ready": janus.ready,
        "create": lambda: janus.create_room(ROOM),
        "edit": lambda: janus.edit_room(BIG, ROOM.secret, "pin"),
        "rooms": janus.rooms,
        "destroy": lambda: janus.destroy_room(BIG, ROOM.secret),
        "participants": lambda: janus.participants(BIG),
        "kick": lambda: janus.kick(BIG, ROOM.secret, 1),
        "ready of the Admin API": lambda: janus.ready(sessions=False),
        "accept_sessions": lambda: janus.accept_sessions(False),
        "rehearse": lambda: janus.rehearse(ROOM),
    }


# The contract


async def test_a_room_is_created_once_however_often_one_asks(machines: Machines) -> None:
    janus = machines.janus
    assert await janus.rooms() == set()
    await janus.create_room(ROOM)
    await machines.join(ROOM, 1001, "Ana")
    await janus.create_room(ROOM)
    assert await janus.rooms() == {BIG}
    assert [p.id for p in await janus.participants(BIG)] == [1001]


async def test_rooms_lists_private_rooms_too(machines: Machines) -> None:
    await machines.janus.create_room(ROOM)
    await machines.janus.create_room(RoomSpec(7, "pin", 2, "secret"))
    assert await machines.janus.rooms() == {7, BIG}


async def test_participants_are_listed_with_their_names(machines: Machines) -> None:
    await machines.janus.create_room(ROOM)
    assert await machines.janus.participants(BIG) == []
    await machines.join(ROOM, 1001, "Ana «A» Souza")
    await machines.join(ROOM, BIG - 1, "")
    people = await machines.janus.participants(BIG)
    assert {(p.id, p.display) for p in people} == {(1001, "Ana «A» Souza"), (BIG - 1, "")}


async def test_a_kicked_participant_is_gone_and_may_be_kicked_again(machines: Machines) -> None:
    await machines.janus.create_room(ROOM)
    await machines.join(ROOM, 1001, "Ana")
    await machines.join(ROOM, 1002, "Bia")
    await machines.janus.kick(BIG, ROOM.secret, 1001)
    assert [p.id for p in await machines.janus.participants(BIG)] == [1002]
    await machines.janus.kick(BIG, ROOM.secret, 1001)


async def test_a_room_is_destroyed_with_those_inside_and_may_be_again(machines: Machines) -> None:
    await machines.janus.create_room(ROOM)
    await machines.join(ROOM, 1001, "Ana")
    await machines.janus.destroy_room(BIG, ROOM.secret)
    assert await machines.janus.rooms() == set()
    await machines.janus.destroy_room(BIG, ROOM.secret)


@pytest.mark.parametrize("request_name", ["participants", "kick", "edit"])
async def test_a_missing_room_is_told_from_other_errors(
    machines: Machines, request_name: str
) -> None:
    error = await refused(every_request(machines.janus)[request_name]())
    assert isinstance(error, NoSuchRoom)
    assert error.code == 426


async def test_a_wrong_secret_is_refused(machines: Machines) -> None:
    janus = machines.janus
    await janus.create_room(ROOM)
    for request in (
        janus.destroy_room(BIG, "wrong"),
        janus.kick(BIG, "wrong", 1),
        janus.edit_room(BIG, "wrong", "pin"),
    ):
        error = await refused(request)
        assert type(error) is JanusError
        assert error.code == 433
    assert await janus.rooms() == {BIG}


async def test_a_janus_that_hangs_is_unavailable_within_seconds(machines: Machines) -> None:
    await machines.janus.create_room(ROOM)
    await machines.hang()
    for request in (machines.janus.ready, machines.janus.rooms):
        began = time.monotonic()
        assert isinstance(await refused(request()), JanusUnavailable)
        assert time.monotonic() - began < 3


@pytest.mark.parametrize("request_name", list(every_request(FakeMachines().janus)))
async def test_a_janus_that_died_is_unavailable(machines: Machines, request_name: str) -> None:
    await machines.crash()
    error = await refused(every_request(machines.janus)[request_name]())
    assert isinstance(error, JanusUnavailable)


async def test_a_restart_loses_every_room(machines: Machines) -> None:
    await machines.janus.create_room(ROOM)
    await machines.restart()
    await machines.janus.ready()
    assert await machines.janus.rooms() == set()


async def test_a_draining_janus_takes_no_sessions_and_keeps_those_it_has(
    machines: Machines,
) -> None:
    janus = machines.janus
    await janus.create_room(ROOM)
    await machines.join(ROOM, 1001, "Ana")
    await janus.accept_sessions(False)
    for request in (janus.ready(), janus.rehearse(ROOM), machines.join(ROOM, 1002, "Bia")):
        error = await refused(request)
        assert type(error) is JanusError
        assert error.code == 472
    await janus.ready(sessions=False)
    assert [p.id for p in await janus.participants(BIG)] == [1001]
    await janus.accept_sessions(True)
    await machines.join(ROOM, 1002, "Bia")
    await janus.ready()


async def test_a_restart_accepts_sessions_again(machines: Machines) -> None:
    await machines.janus.accept_sessions(False)
    await machines.restart()
    await machines.janus.ready()


async def test_a_rehearsal_leaves_the_room_as_it_was(machines: Machines) -> None:
    await machines.janus.create_room(ROOM)
    await machines.join(ROOM, 1001, "Ana")
    await machines.janus.rehearse(ROOM)
    await machines.janus.rehearse(ROOM)
    assert [p.id for p in await machines.janus.participants(BIG)] == [1001]


async def test_a_rehearsal_says_what_failed(machines: Machines) -> None:
    error = await refused(machines.janus.rehearse(ROOM))
    assert error.code == 426
    assert "join" in error.reason
    await machines.janus.create_room(ROOM)
    error = await refused(machines.janus.rehearse(replace(ROOM, pin="wrong")))
    assert error.code == 433
    assert "join" in error.reason


# The real one only


async def test_a_rehearsal_joins_as_a_publisher_and_wants_to_be_listed(real: RealMachines) -> None:
    await real.janus.create_room(ROOM)
    seen: list[str] = []

    listed = real.janus.participants

    async def participants(room_id: int) -> list[Participant]:
        seen.extend(person.display for person in await listed(room_id))
        return []

    real.janus.participants = participants  # type: ignore[method-assign]
    assert "does not list" in (await refused(real.janus.rehearse(ROOM))).reason
    assert seen == ["rehearsal"]


async def test_browsers_get_in_by_http_with_the_same_tokens(real: RealMachines) -> None:
    """The second URL, for networks that block WebSockets: a page of any origin may ask."""
    url = real.machine.janus_urls[1]
    keys = vm_keys(JANUS_KEY, VM)
    expires = real.vms.clock.now() + timedelta(minutes=1)
    good = session_token(keys.token_secret, expires)
    headers = {"Origin": "https://calls.example", "Access-Control-Request-Headers": "content-type"}
    async with real.vms.http.options(url, headers=headers) as preflight:
        assert preflight.ok
        assert preflight.headers["Access-Control-Allow-Origin"] == "*"
        assert "content-type" in preflight.headers["Access-Control-Allow-Headers"].lower()

    async def create(token: str) -> dict[str, Any]:
        request = {"janus": "create", "transaction": "t", "token": token}
        async with real.vms.http.post(url, json=request, headers=headers) as answer:
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            told: dict[str, Any] = await answer.json(content_type=None)
            return told

    assert (await create(session_token("another", expires)))["error"]["code"] == 403
    session = (await create(good))["data"]["id"]
    async with real.vms.http.get(f"{url}/{session}", params={"token": "forged"}) as poll:
        assert poll.status == 403
    goodbye = json.dumps({"janus": "destroy", "transaction": "t", "token": good})
    async with real.vms.http.post(f"{url}/{session}", data=goodbye) as answer:
        assert (await answer.json(content_type=None))["janus"] == "success"
    async with real.vms.http.get(f"{url}/{session}", params={"token": good}) as poll:
        assert poll.status == 404
    assert good.split(":")[1] not in (real.vms.folder / VM / "janus.log").read_text()


async def test_without_sessions_the_keys_are_still_looked_at(real: RealMachines) -> None:
    stranger = JanusClients(real.vms.http, "another key", real.vms.clock)(real.machine)
    assert "signed mode" in (await refused(stranger.ready(sessions=False))).reason


async def test_the_first_request_after_a_restart_is_answered(real: RealMachines) -> None:
    """The connection that was kept open leads to the Janus of before, and nobody noticed yet: the
    event loop stands still meanwhile."""
    await real.janus.rooms()
    _restart_behind_the_loop(real)
    assert await real.janus.rooms() == set()


async def test_joining_needs_the_pin_and_a_token_of_the_room(real: RealMachines) -> None:
    other = RoomSpec(7, "pin", 2, "secret")
    await real.janus.create_room(ROOM)
    await real.janus.create_room(other)
    token = real.vms.room_token(real.machine, BIG)
    expired = real.vms.room_token(real.machine, BIG, timedelta(seconds=-1))
    foreign = real.vms.room_token(real.machine, other.room_id)
    caller = await real.vms.caller(real.machine)
    tampered = foreign.replace("room=7", f"room={BIG}")
    for pin, attempt in (
        ("", token),
        ("wrong", token),
        (ROOM.pin, ""),
        (ROOM.pin, expired),
        (ROOM.pin, foreign),
        (ROOM.pin, tampered),
    ):
        error = await refused(caller.join(BIG, pin, attempt, 1001))
        assert error.code == 433
    await caller.join(BIG, ROOM.pin, token, 1001)
    await caller.close()


async def test_a_changed_pin_holds_for_those_who_join_later(real: RealMachines) -> None:
    await real.janus.create_room(ROOM)
    await real.join(ROOM, 1001, "Ana")
    await real.janus.edit_room(BIG, ROOM.secret, "new pin")
    assert (await refused(real.join(ROOM, 1002, "Bia"))).code == 433
    await real.join(RoomSpec(BIG, "new pin", 2, ROOM.secret), 1003, "Bia")
    assert {p.id for p in await real.janus.participants(BIG)} == {1001, 1003}


async def test_who_is_kicked_hears_of_it(real: RealMachines) -> None:
    await real.janus.create_room(ROOM)
    await real.join(ROOM, 1001, "Ana")
    await real.janus.kick(BIG, ROOM.secret, 1001)
    assert (await real.callers[0].hears("leaving"))["reason"] == "kicked"


async def test_not_ready_when_the_keys_differ(real: RealMachines) -> None:
    stranger = JanusClients(real.vms.http, "another key", real.vms.clock)(real.machine)
    error = await refused(stranger.ready())
    assert not isinstance(error, JanusUnavailable)
    assert "good token" in error.reason
    assert (await refused(stranger.rooms())).code == 403


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("token_auth = true", "anyone"),
        ("token_auth_secret", "good token"),
    ],
)
async def test_not_ready_unless_in_signed_mode(line: str, says: str) -> None:
    async with LocalVms() as vms:
        machine = await vms.running(VM)
        assert process.stop([vms.folder / VM], grace=0)
        file = vms.folder / VM / "janus.jcfg"
        file.write_text(file.read_text().replace(line, f"# {line}"))
        process.spawn(vms.folder / VM, "janus")
        error: JanusError = JanusUnavailable("not asked yet")
        deadline = time.monotonic() + 10
        while isinstance(error, JanusUnavailable) and time.monotonic() < deadline:
            error = await refused(vms.janus(machine).ready())
        assert says in error.reason


@pytest.mark.parametrize("text", ['["x"]', '{"error": "x"}', '{"janus": 1, "error": []}', "<p>"])
async def test_another_program_on_the_port_is_not_janus(real: RealMachines, text: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=text)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        url = str(server.make_url("/admin"))
        janus = real.vms.janus(Machine(VM, 0, 1, Power.RUNNING, url.replace("http", "ws"), url))
        for request in (janus.ready, janus.rooms):
            assert isinstance(await refused(request()), JanusUnavailable)


async def test_only_this_computer_reaches_a_local_janus(real: RealMachines) -> None:
    """Nothing listens anywhere but on the address in the settings."""
    [pid] = real.vms.pids(VM)
    sockets = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    tables = [Path("/proc/net") / name for name in ("tcp", "tcp6")]
    rows = [line.split() for table in tables for line in table.read_text().splitlines()[1:]]
    listening = {row[1] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in sockets}
    port = real.vms.settings.local_vm_port
    assert listening == {f"0100007F:{port + offset:04X}" for offset in (0, 1, 2)}


async def test_events_arrive_with_the_machines_credentials() -> None:
    batches: list[tuple[str | None, list[dict[str, object]]]] = []

    async def receive(request: web.Request) -> web.Response:
        batches.append((request.headers.get("Authorization"), await request.json()))
        return web.Response()

    app = web.Application()
    app.router.add_post("/janus/events", receive)
    async with TestServer(app) as server, LocalVms(public_url=_origin(server)) as vms:
        machine = await vms.running(VM)
        await vms.janus(machine).create_room(ROOM)
        caller = await vms.caller(machine)
        await caller.join(BIG, ROOM.pin, vms.room_token(machine, BIG), 1001)
        await caller.leave()
        deadline = time.monotonic() + 10
        while not (events := redact([batch for _, batch in batches], VM)) or len(events) < 2:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
    assert [(e["type"], e["room"], e["participant"]) for e in events] == [
        ("joined", BIG, 1001),
        ("left", BIG, 1001),
    ]
    assert datetime.now(UTC) - parse(events[0]["at"]) < timedelta(seconds=30)
    password = vm_keys(JANUS_KEY, VM).event_password
    assert {auth for auth, _ in batches} == {encode_basic_auth(VM, password)}
    # Tokens travel in events of type 2, addresses in those of type 16.
    assert {event["type"] for _, batch in batches for event in batch} == {64}


async def test_secrets_are_in_private_files_only(real: RealMachines) -> None:
    await real.janus.create_room(ROOM)
    await real.join(ROOM, 1001, "Ana")
    await real.janus.destroy_room(BIG, ROOM.secret)
    keys = vm_keys(JANUS_KEY, VM)
    folder = real.vms.folder / VM
    [pid] = real.vms.pids(VM)
    process_files = [Path(f"/proc/{pid}/{name}") for name in ("cmdline", "environ")]
    public = [file.read_text() for file in (*process_files, folder / "janus.log")]
    for secret in (keys.token_secret, keys.admin_secret, keys.create_key, keys.event_password):
        assert not any(secret in text for text in [*public, repr(keys)])
    for secret in (ROOM.pin, ROOM.secret, JANUS_KEY):
        assert not any(secret in text for text in [*public, repr(ROOM)])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in (*config.render(real.vms.compute._config(VM)), "janus.log"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600, name


async def test_only_what_is_needed_is_loaded(real: RealMachines) -> None:
    log = (real.vms.folder / VM / "janus.log").read_text()
    loaded = {line.split("'")[1] for line in log.splitlines() if "Loading " in line}
    expected = {"libjanus_http", "libjanus_sampleevh", "libjanus_videoroom", "libjanus_websockets"}
    assert loaded == {f"{name}.so" for name in expected}


def _origin(server: BaseTestServer) -> str:
    return str(server.make_url("")).rstrip("/")


def _restart_behind_the_loop(real: RealMachines) -> None:
    folder = real.vms.folder / VM
    assert process.stop([folder], grace=0)
    process.spawn(folder, "janus")
    deadline = time.monotonic() + 10
    for port in (real.vms.settings.local_vm_port, real.vms.settings.local_vm_port + 1):
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert time.monotonic() < deadline
            time.sleep(0.01)
