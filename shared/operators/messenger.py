"""The messenger port: sends a notice to one of the operators' channels.

Adapters: `messenger_apprise`, and the in-memory fake in `tests/fakes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from shared.operators.models import Notice


class Undelivered(Exception):
    """`reason` is one of those that `ChannelTest` names, and holds nothing of the URL.
    `lasting`: trying again can't help."""

    def __init__(self, reason: str, *, lasting: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.lasting = lasting


class Messenger(Protocol):
    @property
    def channels(self) -> Sequence[str]:
        """The service of each channel, like `slack`."""
        ...

    async def send(self, channel: int, notice: Notice) -> None:
        """`channel` counts from 0. Raises `Undelivered`, within half a minute."""
        ...
