"""Bookings in the browser: to extend, end, move, repeat and cancel them, and to invite."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Response, Route, expect

from shared.platform.clock import iso, parse
from tests.e2e.browser import Person, chromium
from tests.e2e.system import System
from tests.e2e.test_call import assert_media, sign_in

SHOTS = Path(__file__).resolve().parents[2] / ".test" / "screenshots"

GRACE = timedelta(seconds=15)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    SHOTS.mkdir(parents=True, exist_ok=True)
    system = System(
        tmp_path_factory.mktemp("pages"),
        SUROGA_JOIN_GRACE="PT15S",
        SUROGA_VM_MARGIN="PT3S",
        SUROGA_VM_CAPACITY="20",
        SUROGA_CALL_GAP="PT5S",
    )
    system.start()
    try:
        yield system
    finally:
        status = system.stop()
    assert status == 0
    assert "Traceback" not in system.log


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@dataclass
class Talk:
    booking: dict[str, Any]
    token: str
    host: Person
    guest: Person


async def book(system: System, token: str, **times: timedelta) -> dict[str, Any]:
    """From `ahead` (now, when left out), for `lasting`."""
    start = datetime.now(UTC).replace(microsecond=0) + times.get("ahead", timedelta(0))
    body = {"start_time": iso(start), "end_time": iso(start + times["lasting"])}
    status, booking = await system.ask("POST", "/api/v1/bookings", body, token)
    assert status == 201, booking
    return dict(booking)


async def home(system: System, person: Person, name: str) -> Page:
    page = person.page
    await page.goto(system.url)
    await page.fill("[data-testid=user-name]", name)
    await person.click("sign-in")
    await page.wait_for_selector("[data-testid=start-call]")
    return page


async def talking(
    system: System, browser: Browser, lasting: timedelta, name: str, **options: Any
) -> Talk:
    token = await sign_in(system, name)
    host = await Person.arrive(browser, **options)
    guest = await Person.arrive(browser, locale="en-GB", **options)
    await home(system, host, name)
    booking = await book(system, token, lasting=lasting)
    for person in (host, guest):
        await person.page.add_init_script(STATES)
    await host.page.goto(f"{system.url}/call#booking={booking['booking_id']}")
    await guest.page.goto(booking["invite_url"])
    for person in (host, guest):
        await person.enter()
    await asyncio.gather(*(p.state("connected", seconds=40) for p in (host, guest)))
    return Talk(booking, token, host, guest)


STATES = """
window.__states = [];
new MutationObserver(() => {
  const shown = document.querySelector('[data-testid=call-status]');
  const state = shown && shown.dataset.state;
  if (state && state !== window.__states.at(-1)) window.__states.push(state);
}).observe(document, { subtree: true, childList: true, attributes: true });
"""
"""Keeps every state that the page has shown, also for a moment."""


async def states(person: Person) -> list[str]:
    found: list[str] = await person.page.evaluate("window.__states")
    return found


def joins(person: Person) -> list[Response]:
    """Grows with every ticket that the page gets."""
    found: list[Response] = []
    person.page.on("response", lambda r: found.append(r) if r.url.endswith("/join") else None)
    return found


async def slow(route: Route) -> None:
    """The API has thrown the old participant out, and its answer takes a while."""
    answer = await route.fetch()
    await asyncio.sleep(2)
    await route.fulfill(response=answer)


async def reads(person: Person, notice: str) -> None:
    shown = person.page.locator("[data-testid=extended]")
    await expect(shown).to_contain_text(notice, timeout=20_000)


async def moves(mover: Person, other: Person) -> None:
    await mover.state("reconnecting", seconds=40)
    await asyncio.gather(*(sees_the_last_picture(person) for person in (mover, other)))
    await mover.page.screenshot(path=SHOTS / "moving.png")


async def sees_the_last_picture(person: Person) -> None:
    """While the other is away for a moment, and not a black window: what Chromium's fake camera
    shows is green."""
    still = person.page.locator("canvas.still")
    await expect(still).to_be_visible()
    green = await still.evaluate(
        "(canvas) => canvas.getContext('2d').getImageData(canvas.width / 2, 10, 1, 1).data[1]"
    )
    assert green > 50


async def test_an_extended_call_goes_on_past_its_first_end(
    system: System, browser: Browser
) -> None:
    talk = await talking(system, browser, timedelta(seconds=75), "extender")
    people = (talk.host, talk.guest)
    asked = [joins(person) for person in people]
    loads = [person.loads for person in people]
    for person in people:
        await expect(person.page.locator("[data-testid=ends-soon]")).to_be_visible()
    await talk.host.page.screenshot(path=SHOTS / "ends-soon.png")
    await talk.host.page.route("**/join", slow)
    await talk.host.click("extend")
    await talk.host.page.screenshot(path=SHOTS / "extend.png")
    await talk.host.click("extend-15")
    await asyncio.gather(
        reads(talk.host, "A chamada foi prolongada até"),
        reads(talk.guest, "The call was extended until"),
        moves(talk.host, talk.guest),
    )
    expiry = parse(talk.host.ticket["expires_at"])
    assert expiry == parse(talk.booking["end_time"]) + GRACE
    await asyncio.sleep(max(0, (expiry - datetime.now(UTC)).total_seconds()) + 5)
    await asyncio.gather(*(p.state("connected", seconds=5) for p in people))
    await assert_media(*people)
    for person, tickets, before in zip(people, asked, loads, strict=True):
        assert person.loads == before, "nothing was loaded again"
        # A busy machine may lose the new connection too; what counts is that nobody fell out.
        assert 1 <= len(tickets) <= 2, "one move, and at most one repair"
        ticket = await tickets[-1].json()
        assert parse(ticket["expires_at"]) == expiry + timedelta(minutes=15)
        assert not person.errors
    # Each saw the other move, and nobody was said to have gone.
    for person in people:
        shown = await states(person)
        assert {"waiting_peer", "ended"}.isdisjoint(shown[shown.index("connected") :])


async def test_an_extension_that_meets_another_booking_says_so(
    system: System, browser: Browser
) -> None:
    talk = await talking(system, browser, timedelta(minutes=30), "bounded")
    end = parse(talk.booking["end_time"])
    body = {
        "room_id": talk.booking["room_id"],
        "start_time": iso(end + timedelta(minutes=20)),
        "end_time": iso(end + timedelta(minutes=40)),
    }
    status, follower = await system.ask("POST", "/api/v1/bookings", body, talk.token)
    assert status == 201, follower
    await talk.host.click("extend")
    await talk.host.click("extend-30")
    problem = talk.host.page.locator("[data-testid=extend-problem]")
    await expect(problem).to_contain_text(re.compile(r"até.* \d\d:\d\d"))
    assert "T" not in (await problem.inner_text()).replace("Outra", ""), "no ISO time"
    await talk.host.page.screenshot(path=SHOTS / "extend-bounded.png")
    await talk.host.click("extend-until")
    await expect(talk.host.page.locator("[data-testid=extended]")).to_be_visible()
    await system.ask("POST", f"/api/v1/bookings/{talk.booking['booking_id']}/end", None, talk.token)


async def test_ending_for_everyone_asks_first_and_the_guest_reads_who_did_it(
    system: System, browser: Browser
) -> None:
    talk = await talking(system, browser, timedelta(minutes=30), "ender")
    await talk.host.click("end-for-all")
    await talk.host.page.screenshot(path=SHOTS / "end-for-all.png")
    await talk.host.click("end-for-all-keep")
    await assert_media(talk.host, talk.guest)
    await talk.host.click("end-for-all")
    await talk.host.click("end-for-all-confirm")
    await talk.host.state("ended")
    await talk.guest.state("ended")
    await expect(talk.guest.page.locator("h1")).to_have_text("The host ended the call")
    await talk.guest.page.screenshot(path=SHOTS / "ended-by-host.png")
    for person in (talk.host, talk.guest):
        shown = await states(person)
        assert "reconnecting" not in shown[shown.index("connected") :]
        assert not person.errors
    # So does whoever opens the link afterwards, without a camera being asked for.
    await talk.guest.page.goto("about:blank")
    await talk.guest.page.goto(talk.booking["invite_url"])
    await talk.guest.state("ended")
    await expect(talk.guest.page.locator("h1")).to_have_text("The host ended the call")


async def test_only_what_is_possible_is_offered(system: System, browser: Browser) -> None:
    token = await sign_in(system, "planner")
    await book(system, token, lasting=timedelta(minutes=30))
    person = await Person.arrive(browser, timezone_id="Europe/Lisbon")
    page = await home(system, person, "planner")
    running = page.locator("[data-testid=booking][data-phase=running]")
    await expect(running).to_contain_text("Em curso")
    await running.locator("[data-testid=manage]").click()
    await expect(running).to_contain_text("Já é tarde")
    assert await running.locator("[data-testid=cancel-booking]").count() == 0
    await running.locator("[data-testid=manage]").click()

    # What the form proposes can still be moved and cancelled.
    await page.click("[data-testid=book-later] summary")
    await page.click("[data-testid=book]")
    await page.wait_for_selector(".done")
    later = page.locator("[data-testid=booking][data-phase=scheduled]")
    await later.locator("[data-testid=manage]").click()
    await page.screenshot(path=SHOTS / "manage.png", full_page=True)
    async with page.expect_download() as download:
        await later.locator("[data-testid=calendar]").click()
    saved = await (await download.value).path()
    assert (await asyncio.to_thread(saved.read_text)).startswith("BEGIN:VCALENDAR")
    await person.click("reschedule")
    day = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()
    await page.fill("[data-testid=reschedule-dialog] [data-testid=date]", day)
    await page.fill("[data-testid=reschedule-dialog] [data-testid=time]", "09:30")
    await person.click("reschedule-confirm")
    await expect(page.locator("[data-testid=news]")).to_contain_text("09:30")
    await expect(later).to_contain_text("09:30 – 10:30")
    await person.click("cancel-booking")
    await person.click("cancel-booking-confirm")
    await expect(page.locator("[data-testid=news]")).to_contain_text("foi cancelada")
    await expect(later).to_have_count(0)
    assert not person.errors


async def test_a_weekly_call_is_booked_and_cancelled_as_a_whole(
    system: System, browser: Browser
) -> None:
    person = await Person.arrive(browser, locale="en-GB", timezone_id="Europe/Lisbon")
    page = await home(system, person, "weekly")
    await page.click("[data-testid=book-later] summary")
    await page.select_option("[data-testid=repeat]", "weekly")
    await page.fill("[data-testid=repeat-count]", "3")
    async with page.expect_request("**/api/v1/series") as asked:
        await page.click("[data-testid=book]")
    request = await asked.value
    assert request.post_data_json["time_zone"] == "Europe/Lisbon"
    assert request.post_data_json["rrule"] == "FREQ=WEEKLY;COUNT=3"
    assert request.headers["idempotency-key"]
    await expect(page.locator(".done")).to_contain_text("Calls booked: 3")
    rows = page.locator("[data-testid=booking]")
    await expect(rows).to_have_count(3)
    await page.screenshot(path=SHOTS / "series.png", full_page=True)
    await rows.nth(1).locator("[data-testid=manage]").click()
    await person.click("cancel-booking")
    await person.click("cancel-booking-confirm")
    await expect(rows).to_have_count(2)
    await rows.nth(0).locator("[data-testid=manage]").click()
    await person.click("cancel-booking")
    await person.click("cancel-series-confirm")
    await expect(rows).to_have_count(0)
    assert not person.errors


async def test_a_guest_has_a_link_of_their_own_until_it_is_revoked(
    system: System, browser: Browser
) -> None:
    token = await sign_in(system, "inviter")
    await book(system, token, lasting=timedelta(minutes=30))
    person = await Person.arrive(browser)
    page = await home(system, person, "inviter")
    await person.click("manage")
    guests = page.locator("[data-testid=guest]")
    await expect(guests).to_have_count(1)
    await page.fill("[data-testid=guest-name]", "Maria")
    await page.fill("[data-testid=guest-email]", "maria@example.com")
    await person.click("guest-add")
    await expect(guests).to_have_count(2)
    maria = guests.nth(1)
    link = await maria.locator("[data-testid=invite-link]").input_value()
    await maria.locator("[data-testid=qr]").click()
    picture = maria.locator("[data-testid=qr-image]")
    await expect(picture).to_be_visible()
    assert await picture.evaluate("async (image) => (await image.decode(), image.naturalWidth)")
    await page.screenshot(path=SHOTS / "guests.png", full_page=True)

    invited = await Person.arrive(browser, locale="en-GB")
    await invited.page.goto(link)
    await expect(invited.page.locator("[data-testid=display-name]")).to_have_value("Maria")
    await expect(invited.page.locator("[data-testid=booked-time]")).to_be_visible()
    await invited.page.screenshot(path=SHOTS / "invited.png")
    await maria.locator("[data-testid=revoke]").click()
    await person.click("revoke-confirm")
    await expect(guests).to_have_count(1)
    await invited.click("join")
    await invited.state("denied")
    await expect(invited.page.locator("h1")).to_have_text("This invite was revoked")
    assert not person.errors
    assert not invited.errors


async def test_page_and_api_speak_one_language_to_whoever_speaks_neither(
    system: System, browser: Browser
) -> None:
    person = await Person.arrive(browser, locale="de-DE")
    answers: list[Response] = []
    person.page.on("response", lambda r: answers.append(r) if r.status == 401 else None)
    await person.page.goto(f"{system.url}/call#invite=forged")
    # Nobody has to press a button for that.
    await expect(person.page.locator("h1")).to_have_text("This invite is not valid")
    assert await person.page.evaluate("document.documentElement.lang") == "en"
    assert answers
    for answer in answers:
        assert answer.headers["content-language"] == "en"
        assert (await answer.json())["detail"].startswith("The invite is invalid")


async def test_too_many_requests_are_waited_out_with_one_key(
    system: System, browser: Browser
) -> None:
    person = await Person.arrive(browser)
    page = await home(system, person, "hasty")
    keys: list[str] = []

    async def first_refused(route: Route) -> None:
        if route.request.method != "POST":
            await route.continue_()
            return
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) == 1:
            await route.fulfill(status=429, headers={"Retry-After": "2"}, body="{}")
        elif len(keys) == 2:
            # It is done, and the answer gets lost.
            await route.fetch()
            await route.abort()
        else:
            await route.continue_()

    await page.route("**/api/v1/bookings", first_refused)
    await person.click("start-call")
    await expect(page.get_by_text("Demasiados pedidos")).to_be_visible()
    await page.screenshot(path=SHOTS / "throttled.png")
    await page.wait_for_selector("[data-testid=enter-call]", timeout=20_000)
    assert len(keys) == 3
    assert len(set(keys)) == 1
    await expect(page.locator("[data-testid=booking]")).to_have_count(1)
    assert not person.errors
