"""What operators are told, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from shared.platform.payload import Payload

Level = Literal["info", "success", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Notice:
    """A message in the operators' language: plain text, the title one line."""

    title: str
    body: str
    level: Level


class ChannelTest(Payload):
    """`channel` counts the URLs of SUROGA_ALERT_URLS from 1, `service` is its scheme. `reason`:
    `unusable` (apprise can't read the URL), `unreachable` (no connection, or a login that was
    refused), `timeout`, `http_404` and the like, or `refused`."""

    channel: int
    service: str
    ok: bool
    reason: str | None = None
