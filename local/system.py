"""The processes of one `make run`, from the first to the last."""

from __future__ import annotations

import asyncio
import signal

from local.azurite import Azurite
from local.console import STDERR, Console
from local.first_janus import check_first_janus
from local.functions_host import FunctionsHost
from local.plan import Plan
from local.terminal import Stop

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class System:
    def __init__(self, plan: Plan, console: Console) -> None:
        self.plan = plan
        self.console = console
        self.azurite = Azurite(plan.root, plan.state, plan.ports, plan.environment)
        self.host = FunctionsHost(plan, console)
        self._watching: asyncio.Task[None] | None = None
        self._asked_to_end = False

    async def run(self) -> int:
        """The exit status: 0 when somebody ended it, 1 when it could not start or go on."""
        self._take_signals(asyncio.current_task())
        status = 0
        try:
            await self._serve()
        except asyncio.CancelledError:
            pass
        except Stop as stop:
            self.console.say(str(stop), STDERR)
            status = 1
        finally:
            await self._end()
        self.console.say("Stopped.")
        self.console.flush()
        return status

    async def _serve(self) -> None:
        self.console.say(f"Starting, with data and logs in {self.plan.state} (Ctrl-C ends it)")
        checking = asyncio.create_task(check_first_janus(self.plan.settings))
        try:
            await self._start_storage()
            await checking
        finally:
            checking.cancel()
            await asyncio.gather(checking, return_exceptions=True)
        await self.host.start()
        await self.host.ready()
        url = f"http://localhost:{self.plan.ports.api}"
        self.console.say(f"ready: {url}")
        self.console.say(f"  call page  {url}/\n  API docs   {url}/docs\n  health     {url}/health")
        raise Stop(f"The Functions host ended ({await self.host.wait()}): ending everything.")

    async def _start_storage(self) -> None:
        if self.plan.own_azurite:
            await self.azurite.start()
            self._watching = asyncio.create_task(self.azurite.watch(self.console))
        else:
            self.console.say("AzureWebJobsStorage is a storage of yours: Azurite is not started.")

    async def _end(self) -> None:
        self._asked_to_end = True
        if self._watching:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        if not await self.host.stop():
            self.console.say("The Functions host did not end in time and was killed.", STDERR)
        try:
            await asyncio.to_thread(self.plan.end_vms)
        except Stop as stop:
            self.console.say(str(stop), STDERR)
        if not await self.azurite.stop():
            self.console.say(
                "Azurite did not end in time and was killed: its last 5 s may be lost.", STDERR
            )

    def _take_signals(self, task: asyncio.Task[int] | None) -> None:
        def end(number: signal.Signals) -> None:
            if self._asked_to_end:
                self.console.say("Still ending, a moment …")
            elif task:
                self._asked_to_end = True
                self.console.say(f"{number.name}: ending everything …")
                task.cancel()

        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, end, number)
