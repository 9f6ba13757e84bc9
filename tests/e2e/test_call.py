"""The main job: book a call, its Janus starts, two browsers talk; and what goes wrong then."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from playwright.async_api import Route, expect

from shared.janus.port import JanusError
from shared.platform.clock import iso
from tests.e2e.browser import Person, chromium
from tests.e2e.system import System, eventually
from tests.janus import Caller

SHOTS = Path(__file__).resolve().parents[2] / ".test" / "screenshots"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    system = System(tmp_path_factory.mktemp("e2e"), SUROGA_VM_MARGIN="PT3S", SUROGA_CALL_GAP="PT5S")
    system.start()
    try:
        yield system
    finally:
        status = system.stop()
    assert status == 0
    assert not system.janus()
    assert "Traceback" not in system.log.replace("\\n", "\n") or _only_expected(system)


def _only_expected(system: System) -> bool:
    """No line but `http.failed` of a Janus that was hung or killed on purpose has a traceback."""
    failed = [line for line in system.log.splitlines() if "Traceback" in line]
    return all('"janus_unavailable"' in line or '"status": 503' in line for line in failed)


@dataclass
class Talk:
    """A call under way."""

    booking: dict[str, Any]
    token: str
    host: Person
    guest: Person


async def sign_in(system: System, user: str) -> str:
    status, answer = await system.ask("POST", "/api/v1/auth/token", {"user": user})
    assert status == 200
    return str(answer["access_token"])


@pytest.fixture
async def talk(system: System) -> AsyncIterator[Talk]:
    async with met(system) as talk:
        for person in (talk.host, talk.guest):
            await person.enter()
        for person in (talk.host, talk.guest):
            await person.state("connected", seconds=40)
        yield talk


@asynccontextmanager
async def met(system: System) -> AsyncIterator[Talk]:
    """Both are before the call. Booked by the API; the booker comes by the page, the other by the
    invite link."""
    token = await sign_in(system, "alice")
    now = datetime.now(UTC)
    times = {"start_time": iso(now), "end_time": iso(now + timedelta(hours=1))}
    status, booking = await system.ask("POST", "/api/v1/bookings", times, token)
    assert status == 201, booking
    async with chromium() as browser:
        host = await Person.arrive(browser)
        guest = await Person.arrive(browser, locale="en-GB")
        await host.page.goto(system.url)
        await host.page.fill("[data-testid=user-name]", "alice")
        await host.click("sign-in")
        await host.page.wait_for_selector("[data-testid=start-call]")
        await host.page.goto(f"{system.url}/call#booking={booking['booking_id']}")
        await guest.page.goto(booking["invite_url"])
        yield Talk(booking, token, host, guest)
        await system.ask("POST", f"/api/v1/bookings/{booking['booking_id']}/end", None, token)
        assert not host.errors
        assert not guest.errors


@contextmanager
def unanswered() -> Iterator[str]:
    """A WebSocket that a network swallows: something takes the connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"ws://127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def refused() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"ws://127.0.0.1:{server.getsockname()[1]}"
    yield url


async def block_websockets(person: Person, instead: str) -> None:
    """The addresses that the API gives are right; the WebSocket's leads nowhere from here."""

    async def answer(route: Route) -> None:
        response = await route.fetch()
        ticket = await response.json()
        if response.ok:
            ticket["janus_urls"] = [instead, *ticket["janus_urls"][1:]]
        await route.fulfill(response=response, json=ticket)

    await person.page.route("**/join", answer)


async def assert_media(*people: Person) -> None:
    for frames, packets in await asyncio.gather(*(p.media() for p in people)):
        assert frames > 10
        assert packets > 50


async def assert_no_media(*people: Person) -> None:
    for frames, packets in await asyncio.gather(*(p.media() for p in people)):
        assert frames <= 0
        assert packets <= 0


async def test_two_browsers_see_and_hear_each_other(system: System, talk: Talk) -> None:
    await assert_media(talk.host, talk.guest)
    SHOTS.mkdir(parents=True, exist_ok=True)
    await talk.host.page.screenshot(path=SHOTS / "call.png")
    for event in ("booking.created", "vm.started", "call.started"):
        await eventually(lambda event=event: system.events(event), 10)
    number = talk.booking["booking_id"]
    (created,) = (e for e in system.events("booking.created") if e["data_booking_id"] == number)
    asked = [r for r in system.events("http.request") if r.get("function") == "bookings_create"]
    assert created["operation_id"] in {r["operation_id"] for r in asked}, "through the queue"
    assert talk.booking["password"] not in system.log
    assert "eyJ" not in system.log, "no token is ever logged"


async def test_the_probe_fails_while_janus_hangs_and_the_pages_recover(
    system: System, talk: Talk
) -> None:
    (janus,) = system.janus()
    os.kill(janus, signal.SIGSTOP)
    try:
        await asyncio.sleep(1)  # what was under way arrives, and is shown
        await assert_no_media(talk.host, talk.guest)
        await asyncio.gather(
            *(p.state("reconnecting", seconds=20) for p in (talk.host, talk.guest))
        )
        await assert_no_media(talk.host, talk.guest)
    finally:
        os.kill(janus, signal.SIGCONT)
    await asyncio.gather(*(p.state("connected", seconds=60) for p in (talk.host, talk.guest)))
    await assert_media(talk.host, talk.guest)


async def test_a_network_without_websockets_still_has_calls(system: System) -> None:
    """By HTTP long polling: to the host WebSockets are refused, to the guest never answered."""
    async with met(system) as talk:
        people = (talk.host, talk.guest)
        with refused() as closed, unanswered() as silent:
            await block_websockets(talk.host, closed)
            await block_websockets(talk.guest, silent)
            await asyncio.gather(*(person.enter() for person in people))
            await asyncio.gather(*(person.state("connected", seconds=40) for person in people))
            await assert_media(*people)
            await talk.guest.click("hang-up")
            await talk.host.state("waiting_peer", seconds=5)


async def test_a_third_person_is_refused(system: System, talk: Talk) -> None:
    context = await talk.guest.page.context.browser.new_context(  # type: ignore[union-attr]
        permissions=["camera", "microphone"]
    )
    third = Person(await context.new_page())
    await third.page.goto(talk.booking["invite_url"])
    await third.click("join")
    await third.state("full")
    await context.close()
    await assert_media(talk.host, talk.guest)


async def test_nobody_watches_unseen(talk: Talk) -> None:
    """A ticket alone shows nothing: watching needs the private id of somebody who is in the room,
    and so can be counted and thrown out."""
    guest, host = talk.guest.ticket, talk.host.ticket
    janus = SimpleNamespace(janus_url=guest["janus_url"])
    async with aiohttp.ClientSession() as http:
        watcher = Caller(http, janus, guest["session_token"])  # type: ignore[arg-type]
        await watcher.open()
        body = {
            "request": "join",
            "ptype": "subscriber",
            "room": guest["room_id"],
            "pin": guest["pin"],
            "token": guest["room_token"],
            "streams": [{"feed": host["participant_id"]}],
        }
        for attempt in (body, {**body, "private_id": 4711}):
            with pytest.raises(JanusError) as error:
                await watcher.message(attempt)
            assert error.value.code == 433
        await watcher.close()


async def test_a_killed_machine_gives_its_call_to_another_one_without_a_reload(
    system: System, talk: Talk
) -> None:
    path = f"/api/v1/bookings/{talk.booking['booking_id']}"
    loads = (talk.host.loads, talk.guest.loads)
    (janus,) = system.janus()
    os.kill(janus, signal.SIGKILL)
    await asyncio.gather(*(p.state("reconnecting", seconds=20) for p in (talk.host, talk.guest)))
    await asyncio.gather(*(p.state("connected", seconds=60) for p in (talk.host, talk.guest)))
    await assert_media(talk.host, talk.guest)
    assert (talk.host.loads, talk.guest.loads) == loads
    _, booking = await system.ask("GET", path, None, talk.token)
    assert (booking["room_id"], booking["password"]) == (
        talk.booking["room_id"],
        talk.booking["password"],
    )
    assert janus not in system.janus()
    number = talk.booking["booking_id"]
    (moved,) = [e for e in system.events("booking.moved") if e["booking_id"] == number]
    assert moved["vm"] != moved["before"]
    assert await _drawn(system) >= {str(number), moved["vm"], moved["before"]}


async def _drawn(system: System) -> set[str]:
    """The words of the plan's picture."""
    body = {"user": "olga", "roles": ["operator"]}
    _, olga = await system.ask("POST", "/api/v1/auth/token", body)
    picture = await asyncio.to_thread(
        system.fetch, "/api/v1/fleet/plan.svg", str(olga["access_token"])
    )
    return set(re.findall(r"[\w-]+", picture))


async def test_hanging_up_ends_the_call_and_ending_for_all_frees_the_machine(
    system: System, talk: Talk
) -> None:
    number = talk.booking["booking_id"]
    await talk.guest.click("hang-up")
    await talk.host.state("waiting_peer")
    await talk.host.click("hang-up")
    await eventually(
        lambda: [e for e in system.events("call.ended") if e["data_booking_id"] == number], 30
    )
    await system.ask("POST", f"/api/v1/bookings/{number}/end", None, talk.token)
    await eventually(
        lambda: [e for e in system.events("booking.ended") if e["data_booking_id"] == number], 10
    )
    await asyncio.sleep(3)  # the margin, in the life of a real machine
    await system.tick()
    await eventually(lambda: not system.janus(), 75)


async def test_from_the_home_page_on_a_phone(system: System) -> None:
    """Press «Iniciar chamada», get the link, open it in a second browser."""
    async with chromium() as browser:
        phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
        host = await Person.arrive(browser, **phone)
        guest = await Person.arrive(browser, locale="en-GB", **phone)
        await host.page.goto(system.url)
        await host.page.fill("[data-testid=user-name]", "maria")
        await host.click("sign-in")
        assert await host.page.inner_text("[data-testid=start-call]") == "Iniciar chamada"
        # The list of bookings names no link: the page asks for the invites.
        async with host.page.expect_response(lambda answer: answer.url.endswith("/invites")):
            await host.click("start-call")
        await expect(host.page.get_by_test_id("invite-help")).to_have_text(
            "Envie este link à outra pessoa. Quem o tiver pode entrar."
        )
        assert "revogado" not in await host.page.inner_text("main")
        link = await host.page.input_value("[data-testid=invite-link]")
        assert link.startswith(f"{system.url}/call#invite=")
        await host.page.screenshot(path=SHOTS / "phone-link.png")
        await host.click("enter-call")
        await guest.page.goto(link)
        for person in (host, guest):
            await person.enter()
        await asyncio.gather(*(p.state("connected", seconds=40) for p in (host, guest)))
        await assert_media(host, guest)
        assert "invite" not in guest.page.url, "the token does not stay in the address"
        await guest.page.screenshot(path=SHOTS / "phone-call.png")
        await guest.page.reload()
        await asyncio.gather(*(p.state("connected", seconds=40) for p in (host, guest)))
        await assert_media(host, guest)
        await host.click("end-for-all")
        await host.click("end-for-all-confirm")
        await guest.state("ended", seconds=30)
