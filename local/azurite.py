"""Azurite, the storage emulator: started, watched, started again when somebody ends it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from local.child import Child
from local.console import Console
from local.ports import Ports, taken
from local.steps import tail
from local.terminal import Stop

PATIENT = "./local/patient.cjs"
SCRIPT = "local/node_modules/azurite/dist/src/azurite.js"
START_SECONDS = 30.0
STOP_SECONDS = 30.0  # it saves what the tables hold before it ends
PAUSES = (0.2, 1.0, 2.0, 5.0, 10.0)
STEADY_SECONDS = 30.0


class Azurite:
    def __init__(self, root: Path, state: Path, ports: Ports, environment: dict[str, str]) -> None:
        self.root = root
        self.state = state
        self.ports = ports
        self.environment = environment
        self.log = state / "log" / "azurite.log"
        self._child: Child | None = None

    @staticmethod
    def record(state: Path) -> Path:
        return state / "run" / "azurite.pid"

    async def start(self) -> None:
        """Returns when it answers; raises `Stop` when it ends or stays silent."""
        self._child = child = await Child.start(
            self._command(),
            root=self.root,
            environment=self.environment,
            record=self.record(self.state),
            log=self.log,
        )
        ended = asyncio.create_task(child.wait())
        try:
            async with asyncio.timeout(START_SECONDS):
                while not await self._answers():
                    if ended.done():
                        last = " / ".join(tail(self.log, 3))
                        raise Stop(
                            f"Azurite (storage) ended at its start, {ended.result()}: {last}"
                        )
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise Stop(f"Azurite (storage) did not answer: its log is {self.log}") from None
        finally:
            ended.cancel()

    async def watch(self, console: Console) -> None:
        """Until cancelled: starts it again whenever it ends, and says so in one sentence."""
        failures = 0
        while self._child:
            began = time.monotonic()
            how = await self._child.wait()
            if time.monotonic() - began > STEADY_SECONDS:
                failures = 0
            console.say(f"Azurite (storage) ended ({how}): starting it again with the same data.")
            failures = await self._again(console, failures)
            console.say("Azurite (storage) is back.")

    async def stop(self) -> bool:
        """Says whether it saved everything."""
        return await self._child.stop(STOP_SECONDS) if self._child else True

    async def _again(self, console: Console, failures: int) -> int:
        """Tries until it runs. Somebody else on its ports is most likely an Azurite too: the
        system goes on with that one, and ours takes over when it leaves."""
        said = False
        while True:
            await asyncio.sleep(PAUSES[min(failures, len(PAUSES) - 1)])
            failures += 1
            others = [port for port in self.ports.azurite_ports() if taken(port)]
            if others:
                if not said:
                    console.say(f"Port {others[0]} is taken by another program: waiting for it.")
                said = True
                continue
            try:
                await self.start()
            except Stop as stop:
                await self.stop()
                console.say(f"{stop} Trying again.")
            else:
                return failures

    def _command(self) -> list[str]:
        names = ("blob", "queue", "table")
        command = ["node", "--require", PATIENT, SCRIPT]
        command += ["--silent", "--disableTelemetry", "--skipApiVersionCheck"]
        command += ["--location", str(self.state / "azurite")]
        for name, port in zip(names, self.ports.azurite_ports(), strict=True):
            command += [f"--{name}Host", "127.0.0.1", f"--{name}Port", str(port)]
            # Longer than our clients keep a connection, as in Azure: with its own 5 s it closes
            # connections just when they are used again.
            command += [f"--{name}KeepAliveTimeout", "60"]
        return command

    async def _answers(self) -> bool:
        for port in self.ports.azurite_ports():
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                return False
            writer.close()
        return True
