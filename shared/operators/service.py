"""Messages to operators: what the events tell, to every channel, each for itself.

The relay only puts messages on a queue, so that a channel that hangs or fails holds up nothing. A
message holds its text and the number of its channel, never the channel's URL, which is a secret.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from shared.events.catalogue import DomainEvent
from shared.operators.messages import Reader, message, trial_message
from shared.operators.messenger import Messenger, Undelivered
from shared.operators.models import ChannelTest, Notice
from shared.platform import logs
from shared.platform.auth import Caller
from shared.platform.clock import Clock
from shared.platform.queues import OPERATOR_MESSAGES, Queues
from shared.platform.waiting import together

if TYPE_CHECKING:
    from shared.platform.settings import Settings

FIRST_RETRY = 30.0
LAST_RETRY = 3600.0
"""Seconds; each wait is twice the one before."""

TRIES = 31
"""A day, all in all."""


class OperatorMessages:
    def __init__(
        self, messenger: Messenger, queues: Queues, settings: Settings, clock: Clock
    ) -> None:
        self._messenger = messenger
        self._queues = queues
        self._reader = Reader(
            settings.operator_language, settings.public_url, ZoneInfo(settings.time_zone)
        )
        self._clock = clock

    async def on_event(self, event: DomainEvent) -> None:
        """Subscriber: one message for each channel. May raise `StorageUnavailable`."""
        count = len(self._messenger.channels)
        notice = message(event, self._reader) if count else None
        if notice is None:
            return
        for channel in range(count):
            await self._put(
                {"event": event.id, "channel": channel, "attempt": 0, "notice": asdict(notice)}
            )

    async def handle(self, body: Mapping[str, Any]) -> None:
        """One message of the queue. What can't be delivered is tried again for a day."""
        channel, told = int(body["channel"]), {"event_id": body["event"]}
        told["channel"] = channel + 1
        if channel >= len(self._messenger.channels):
            logs.event("operators.channel_gone", **told)
            return
        try:
            await self._messenger.send(channel, Notice(**body["notice"]))
        except Undelivered as error:
            await self._again(body, error, told)
        else:
            logs.event("operators.sent", **told)

    async def _again(
        self, body: Mapping[str, Any], error: Undelivered, told: Mapping[str, Any]
    ) -> None:
        attempt = int(body["attempt"]) + 1
        if error.lasting or attempt == TRIES:
            logs.event("operators.undelivered", level=logging.ERROR, reason=error.reason, **told)
            return
        delay = min(FIRST_RETRY * 2 ** (attempt - 1), LAST_RETRY)
        logs.event("operators.delayed", reason=error.reason, seconds=delay, **told)
        await self._put({**body, "attempt": attempt}, delay)

    async def _put(self, body: Mapping[str, Any], delay: float = 0) -> None:
        await self._queues.put(OPERATOR_MESSAGES, body, delay=delay)

    async def test(self, caller: Caller) -> list[ChannelTest]:
        """Sends a message to all channels now, once, and says what came of it.

        Raises Problem 403 for everybody but operators.
        """
        caller.require_operator()
        notice = trial_message(self._reader, self._clock.now())
        services = enumerate(self._messenger.channels)
        return await together(*(self._try(n, service, notice) for n, service in services))

    async def _try(self, channel: int, service: str, notice: Notice) -> ChannelTest:
        try:
            await self._messenger.send(channel, notice)
        except Undelivered as error:
            logs.event("operators.test_failed", channel=channel + 1, reason=error.reason)
            return ChannelTest(channel=channel + 1, service=service, ok=False, reason=error.reason)
        return ChannelTest(channel=channel + 1, service=service, ok=True)
