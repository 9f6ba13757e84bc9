"""Two people with browsers: Chromium with a fake camera, driven by Playwright."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Browser, Page, Response, async_playwright

FLAGS = [
    "--no-sandbox",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--disable-background-networking",
    "--disable-sync",
    "--disable-component-update",
    "--no-first-run",
    "--disable-quic",
]

CONNECTED = "[data-testid=call-status][data-state=connected]"


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium", headless=True, args=FLAGS
        )
        yield browser
        await browser.close()


def _admits(response: Response) -> bool:
    return response.url.endswith("/join") and response.ok


class Person:
    """One browser of one person; `errors` are what its pages complained of."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        self.ticket: dict[str, Any] = {}
        self.loads = 0
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("load", lambda _: self._loaded())

    def _loaded(self) -> None:
        self.loads += 1

    @classmethod
    async def arrive(cls, browser: Browser, *, locale: str = "pt-PT", **options: Any) -> Person:
        context = await browser.new_context(
            locale=locale, permissions=["camera", "microphone"], **options
        )
        return cls(await context.new_page())

    async def enter(self) -> None:
        """Presses «join» on the page before the call; keeps the ticket that the API gives."""
        async with self.page.expect_response(_admits, timeout=40_000) as answer:
            await self.click("join")
        self.ticket = await (await answer.value).json()

    async def click(self, name: str) -> None:
        await self.page.click(f"[data-testid={name}]", timeout=15_000)

    async def state(self, *states: str, seconds: float = 30) -> None:
        wanted = ",".join(f"[data-testid=call-status][data-state={state}]" for state in states)
        await self.page.wait_for_selector(wanted, timeout=seconds * 1000, state="attached")

    async def media(self, seconds: float = 3) -> tuple[int, int]:
        """By how much the other's video frames (`getVideoPlaybackQuality().totalVideoFrames` of the
        element) and audio packets (`packetsReceived` of the connection) grew in so many seconds.

        `currentTime` is no measure: it grows without media too. A page that rejoins meanwhile
        counts from 0 again, so the growth may be told too small, even negative, and never too big.
        """
        before = await self._stats()
        await asyncio.sleep(seconds)
        after = await self._stats()
        return (
            after["videoFrames"] - before["videoFrames"],
            after["audioPackets"] - before["audioPackets"],
        )

    async def _stats(self) -> dict[str, int]:
        stats: dict[str, int] = await self.page.evaluate("window.__call.stats()")
        return stats
