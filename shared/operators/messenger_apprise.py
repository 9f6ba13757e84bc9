"""The messenger port on apprise, which knows Slack, e-mail, Teams and a hundred others.

The URLs hold passwords and tokens. Nothing that apprise says of them leaves this module: its log is
silenced, and of its results a word is made.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from shared.operators.messenger import Undelivered
from shared.operators.models import Level, Notice
from shared.platform import logs

if TYPE_CHECKING:
    from shared.platform.settings import Settings

PATIENCE = 25.0
"""Seconds for one message. Apprise itself waits 4 s for a connection, and 4 s for an answer."""

THREADS = 4

TYPES: Mapping[Level, str] = {
    "info": "info",
    "success": "success",
    "warning": "warning",
    "error": "failure",
}
"""Apprise's NotifyType, which services show as a colour or a sign."""


class AppriseMessenger:
    def __init__(self, settings: Settings) -> None:
        self._urls = [url.get_secret_value() for url in settings.alert_urls]
        self._home = settings.public_url
        # Its own threads: one that hangs takes none of those that others wait for.
        self._threads = ThreadPoolExecutor(THREADS, "operators")
        self._checked = False

    @property
    def channels(self) -> Sequence[str]:
        return [url.partition("://")[0].lower() for url in self._urls]

    async def send(self, channel: int, notice: Notice) -> None:
        work = asyncio.get_running_loop().run_in_executor(
            self._threads, self._deliver, channel, notice
        )
        try:
            async with asyncio.timeout(PATIENCE):
                await work
        except TimeoutError:
            raise Undelivered("timeout") from None

    # -- in a thread -------------------------------------------------------------------------------

    def _deliver(self, channel: int, notice: Notice) -> None:
        self._check()
        sender = self._sender(self._urls[channel])
        if sender is None:
            raise Undelivered("unusable", lasting=True)
        result = sender.notify(
            notice.body,
            title=notice.title,
            notify_type=TYPES[notice.level],
            body_format="text",
        )
        if not result:
            raise Undelivered(_reason(" ".join(entry.message for entry in result.logs())))

    def _check(self) -> None:
        """Says once which of the URLs are of no use."""
        if self._checked:
            return
        self._checked = True
        for number, (service, url) in enumerate(zip(self.channels, self._urls, strict=True), 1):
            if self._sender(url) is None:
                logs.event(
                    "operators.bad_channel", level=logging.ERROR, channel=number, service=service
                )

    def _sender(self, url: str) -> Any:
        """A fresh one each time: they are not made for several threads. None: no use."""
        import apprise

        _silence()
        asset = apprise.AppriseAsset(
            app_id="Suroga",
            app_desc="Suroga Streaming",
            app_url=self._home,
            async_mode=False,
            service_timeout=0,
            storage_mode="memory",
            image_url_mask="",
            image_url_logo="",
        )
        sender = apprise.Apprise(asset=asset)
        return sender if sender.add(url) else None


def _silence() -> None:
    """Its lines quote URLs and answers. Those of its results, for `_reason`, need this level."""
    log = logging.getLogger("apprise")
    log.propagate = False
    log.setLevel(logging.WARNING)


def _reason(told: str) -> str:
    """Never the text itself, which may quote what a service answered to a token in its URL."""
    if found := re.search(r"\berror=(\d{3})\b", told):
        return f"http_{found[1]}"
    return "unreachable" if "onnection error" in told else "refused"
