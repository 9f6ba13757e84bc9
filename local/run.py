"""`python3 -m local.run`: the whole system on this computer, until Ctrl-C or SIGTERM.

Azurite first, then the Functions host, which starts the Janus processes; ended in the opposite
order, because the others still write while they end and Azurite saves last.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
from pathlib import Path

from local import leash
from local.azurite import Azurite
from local.console import STDERR, Console
from local.functions_host import FunctionsHost
from local.lock import Held, hold
from local.plan import Plan, make_plan
from local.ports import DEFAULT, Ports
from local.terminal import Stop, end_with

ROOT = Path(__file__).parent.parent
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    arguments = _arguments()
    if "MAKELEVEL" in os.environ:
        leash.follow(os.getppid())  # make killed by SIGKILL takes us along
    state = Path(arguments.state).absolute()
    url = f"http://localhost:{arguments.port}"
    try:
        with hold(state / "run" / "lock", f"at {url} (process {os.getpid()})"):
            plan = make_plan(ROOT, Ports.of(arguments.port), state, arguments.reload)
            return asyncio.run(System(plan, Console()).run())
    except Held as held:
        another = f"make run PORT={arguments.port + 100} STATE=.local2"
        raise Stop(
            f"It is running already, {held.note}, with its state in {arguments.state}: stop that"
            f" one first, or start another with `{another}`."
        ) from None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m local.run", description=__doc__)
    parser.add_argument("--port", type=int, default=DEFAULT, help="of the API (default: 7071)")
    parser.add_argument("--state", default=".local", help="data and logs (default: .local)")
    parser.add_argument("--reload", action="store_true", help="restart when a source file changes")
    return parser.parse_args()


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
        if self.plan.own_azurite:
            await self.azurite.start()
            self._watching = asyncio.create_task(self.azurite.watch(self.console))
        else:
            self.console.say("AzureWebJobsStorage is a storage of yours: Azurite is not started.")
        await self.host.start()
        await self.host.ready()
        url = f"http://localhost:{self.plan.ports.api}"
        self.console.say(f"ready: {url}")
        self.console.say(f"  call page  {url}/\n  API docs   {url}/docs\n  health     {url}/health")
        raise Stop(f"The Functions host ended ({await self.host.wait()}): ending everything.")

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


if __name__ == "__main__":
    end_with(main)
