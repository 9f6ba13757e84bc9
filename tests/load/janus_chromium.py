"""The same call with two pages of a headless Chromium: what the light clients are measured by."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright

from tests.e2e.browser import FLAGS
from tests.load.clip import film
from tests.load.janus_call import Counts, Ticket

_ADDRESS = "http://localhost/"
"""Answered by Playwright. Cameras are for secure contexts only, which this is."""

_LOCAL = "--disable-features=LocalNetworkAccessChecks"
"""The page comes from nowhere, and so might not open a socket of this computer."""

_JOIN = "([ticket, number, kbit]) => window.call(ticket, number, kbit)"
_PATIENCE = 40.0

_PAGE = Path(__file__).with_suffix(".html")


class ChromiumCall:
    def __init__(self, pages: list[Page]) -> None:
        self._pages = pages

    async def counts(self) -> Counts:
        """`late` is what a browser does not tell."""
        found = [await page.evaluate("window.counts()") for page in self._pages]
        return Counts(sum(sent for sent, _ in found), sum(got for _, got in found), 0.0)


@asynccontextmanager
async def chromium_call(ticket: Ticket, kbit: int) -> AsyncIterator[ChromiumCall]:
    """Two people in it, who have seen each other's picture."""
    with tempfile.TemporaryDirectory() as folder:
        camera = Path(folder) / "camera.mjpeg"
        await asyncio.to_thread(film, camera)
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path="/usr/bin/chromium",
                headless=True,
                args=[*FLAGS, _LOCAL, f"--use-file-for-fake-video-capture={camera}"],
            )
            pages = [await _page(browser) for _ in range(2)]
            people = enumerate(pages, start=1)
            async with asyncio.timeout(_PATIENCE):
                await asyncio.gather(
                    *(page.evaluate(_JOIN, [asdict(ticket), n, kbit]) for n, page in people)
                )
            yield ChromiumCall(pages)
            await browser.close()


async def _page(browser: Browser) -> Page:
    context = await browser.new_context(permissions=["camera", "microphone"])
    page = await context.new_page()
    await page.route(_ADDRESS, lambda route: route.fulfill(path=_PAGE, content_type="text/html"))
    await page.goto(_ADDRESS)
    return page
