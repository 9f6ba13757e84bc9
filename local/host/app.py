"""The running host: listeners for timers and queues, and a web server for the rest."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web

from local.host.admin import Admin, Fire
from local.host.cors import Cors
from local.host.functions import Function
from local.host.http import MAX_BODY, Door
from local.host.invoke import Invoker
from local.host.keys import load_keys
from local.host.queues import QueueListener, QueueMessage, QueueOptions
from local.host.routes import Routes
from local.host.settings import Settings
from local.host.timers import TimerListener
from local.terminal import Stop
from shared.platform import logs

PATIENCE = 5.0
"""Seconds that what is under way gets when the host ends."""

KESTREL_HEADERS = 32 * 1024


class Listener(Protocol):
    async def start(self) -> None: ...
    async def stop(self) -> None: ...


class Host:
    def __init__(
        self, functions: Sequence[Function], settings: Settings, state: Path, *, auth: bool
    ) -> None:
        """Raises `Stop` for what Azure would not load either."""
        self.invoker = Invoker()
        self.listeners: list[Listener] = []
        fires = {f.name: self._listen(f, settings, state) for f in functions}
        self.admin = Admin(fires)
        self.door = Door(
            Routes(functions, settings.route_prefix),
            self.invoker,
            self.admin,
            Cors(settings.cors, settings.cors_credentials),
            load_keys(state / "keys.json") if auth else None,
            homepage=settings.homepage,
        )
        self._runner = web.AppRunner(
            _application(self.door),
            handle_signals=False,
            access_log=None,
            auto_decompress=False,  # as in Azure, a function gets the bytes that were sent
            max_field_size=KESTREL_HEADERS,
            shutdown_timeout=0.5,  # after `drain` nothing of ours goes on
        )

    def _listen(self, function: Function, settings: Settings, state: Path) -> Fire | None:
        """Makes the function's listener; what fires it once, None when only a request can."""
        match function.trigger.type:
            case "timerTrigger":
                timer = _timer(function, self.invoker, state)
                if not function.disabled:
                    self.listeners.append(timer)
                return lambda _: timer.fire()
            case "queueTrigger":
                run = partial(self.invoker.message, function)
                if not function.disabled:
                    self.listeners.append(_queue(function, settings.queues, run))
                return lambda wanted: run(_message(wanted))
        return None

    async def serve(self, listening: socket.socket) -> None:
        """Until SIGTERM or SIGINT."""
        ending = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ending.set)
        await self._runner.setup()
        site = web.SockSite(self._runner, listening)
        await site.start()
        for listener in self.listeners:
            await listener.start()
        self.admin.running = True
        logs.event("host.started", address="{}:{}".format(*listening.getsockname()[:2]))
        await ending.wait()
        await self._stop(site)

    async def _stop(self, site: web.SockSite) -> None:
        """Nothing new is taken from here on; all that is under way shares the same patience."""
        await site.stop()
        stops = [asyncio.create_task(listener.stop()) for listener in self.listeners]
        drained = await self.invoker.drain(PATIENCE)
        for failed in await asyncio.gather(*stops, return_exceptions=True):
            if isinstance(failed, Exception):
                logs.exception("host.stop_failed", failed)
        await self.admin.stop()
        await self._runner.cleanup()
        logs.event("host.stopped", drained=drained)


def _application(door: Door) -> web.Application:
    application = web.Application(client_max_size=MAX_BODY)
    application.router.add_route("*", "/{tail:(?s:.*)}", door.answer)
    return application


def _timer(function: Function, invoker: Invoker, state: Path) -> TimerListener:
    trigger = function.trigger
    try:
        return TimerListener(
            function.name,
            str(trigger.get("schedule")),
            partial(invoker.timer, function),
            state / "timers" / f"{function.name}.json",
            run_on_startup=trigger.get("runOnStartup") is True,
            use_monitor=trigger.get("useMonitor") is not False,
        )
    except ValueError as error:
        raise Stop(f"Function {function.name}: {error}") from None


def _queue(function: Function, options: Mapping[str, Any], run: Any) -> QueueListener:
    try:
        parsed = QueueOptions.from_host_json(dict(options))
    except ValueError as error:
        raise Stop(str(error)) from None
    name = str(function.trigger.get("queueName"))
    return QueueListener(function.name, name, function.connection, parsed, run)


def _message(text: str) -> QueueMessage:
    """What the admin endpoint makes of its input; no queue has seen it."""
    return QueueMessage(
        body=text.encode(),
        id="",
        dequeue_count=1,
        insertion_time=None,
        expiration_time=None,
        next_visible_time=None,
        pop_receipt="",
    )
