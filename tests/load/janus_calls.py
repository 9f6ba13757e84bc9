"""What a call costs the machine that carries it: calls of two through one real Janus.

    .venv/bin/python -m tests.load.janus_calls                 # 1, 2, 4 and 8 calls, 20 s each
    .venv/bin/python -m tests.load.janus_calls --chromium      # the light clients against a browser

Prints for each number of calls Janus's share of a core, loss, and how long joining took; and from
them how many calls a core carries. docs/capacity.md says how to read it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from shared.janus.client import BITRATE
from shared.janus.keys import vm_keys
from shared.janus.port import RoomSpec
from shared.janus.tokens import session_token
from tests.janus import HOUR, LocalVms
from tests.load import usage
from tests.load.clip import encode
from tests.load.janus_call import Counts, Ticket
from tests.load.janus_chromium import chromium_call
from tests.load.levels import HEAD, Level, recommendation, row

SETTLE = 2.0
_PATIENCE = 60.0
_FIRST_ROOM = 1000


class CallEnded(Exception):
    """By itself; it has said why on stderr."""


class LightCall:
    """A call in a process of its own, so that one that is late makes no other one late."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid
        self.joined = 0.0

    @classmethod
    async def begin(cls, ticket: Ticket) -> Self:
        command = (sys.executable, "-m", "tests.load.janus_call")
        pipe = asyncio.subprocess.PIPE
        call = cls(await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe))
        try:
            call.joined = (await call._ask(asdict(ticket)))["joined"]
        except BaseException:
            await call.end()
            raise
        return call

    async def counts(self) -> Counts:
        return Counts(**await self._ask({}))

    async def end(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        try:
            async with asyncio.timeout(5):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        async with asyncio.timeout(_PATIENCE):
            line = await self._process.stdout.readline()
        if not line:
            raise CallEnded
        answer: dict[str, Any] = json.loads(line)
        return answer


class Bench:
    """One Janus and the calls through it."""

    def __init__(self, vms: LocalVms, clip: Path, settle: float) -> None:
        self._vms = vms
        self._settle = settle
        self._clip = clip
        self._calls: list[LightCall] = []
        self._rooms = 0

    async def start(self) -> None:
        self._machine = await self._vms.running("janus-0")
        (self.pid,) = self._vms.pids("janus-0")

    async def ticket(self) -> Ticket:
        """A room that nobody is in, and what opens it."""
        room = _FIRST_ROOM + self._rooms
        self._rooms += 1
        await self._vms.janus(self._machine).create_room(RoomSpec(room, "pin", 2, "secret"))
        keys = vm_keys(self._vms.settings.janus_key.get_secret_value(), self._machine.name)
        return Ticket(
            url=self._machine.janus_url,
            session_token=session_token(keys.token_secret, self._vms.clock.now() + HOUR),
            room=room,
            pin="pin",
            room_token=self._vms.room_token(self._machine, room),
            clip=str(self._clip),
        )

    async def level(self, calls: int, seconds: float) -> Level:
        """Adds calls one by one until there are so many, and measures."""
        joins = []
        while len(self._calls) < calls:
            call = await LightCall.begin(await self.ticket())
            self._calls.append(call)
            joins.append(call.joined)
        await asyncio.sleep(self._settle)
        groups = {"janus": [self.pid], "clients": [call.pid for call in self._calls]}
        begun, lost, first = await self._counts(), usage.dropped(self.pid), usage.read(groups)
        await asyncio.sleep(seconds)
        used = usage.between(first, usage.read(groups))
        dropped, ended = usage.dropped(self.pid) - lost, await self._counts()
        sent = sum(e.sent - b.sent for b, e in zip(begun, ended, strict=True))
        received = sum(e.received - b.received for b, e in zip(begun, ended, strict=True))
        return Level(
            calls=calls,
            janus=used.groups["janus"],
            clients=used.groups["clients"],
            others=used.others,
            stolen=used.stolen,
            idle=used.idle,
            packets=received / used.seconds,
            # A few are on their way at either end.
            loss=max(0.0, 1 - received / sent) if sent else 0.0,
            dropped=dropped,
            late=max((count.late for count in ended), default=0.0),
            joins=tuple(joins),
            memory=usage.memory(self.pid),
        )

    async def _counts(self) -> list[Counts]:
        return [await call.counts() for call in self._calls]

    async def end(self) -> None:
        await asyncio.gather(*(call.end() for call in self._calls))


@contextlib.asynccontextmanager
async def bench(kbit: int, clip_seconds: int = 10, settle: float = SETTLE) -> AsyncIterator[Bench]:
    """`settle` seconds pass between the last join of a level and its measurement."""
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.webm"
        await asyncio.to_thread(encode, clip, kbit, clip_seconds)
        async with LocalVms() as vms:
            one = Bench(vms, clip, settle)
            await one.start()
            try:
                yield one
            finally:
                await one.end()


async def measure(numbers: Sequence[int], seconds: float, kbit: int) -> list[Level]:
    """Levels grow, on one Janus; the first is Janus without a call. Ends with a level that this
    machine was too full for: more calls would tell no more."""
    levels = []
    async with bench(kbit) as one:
        print(HEAD, flush=True)
        for calls in (0, *sorted(set(numbers))):
            try:
                levels.append(await one.level(calls, seconds))
            except CallEnded:
                break
            print(row(levels[-1]), flush=True)
            if not levels[-1].counts:
                break
    return levels


async def compare(seconds: float, kbit: int) -> None:
    """One call of two pages of a real browser, and one of light clients, on the same Janus."""
    async with bench(kbit) as one:
        async with chromium_call(await one.ticket(), kbit) as browsers:
            await asyncio.sleep(5 * SETTLE)  # until the browser has found the bandwidth
            begun, first = await browsers.counts(), usage.read({"janus": [one.pid]})
            await asyncio.sleep(seconds)
            used = usage.between(first, usage.read({"janus": [one.pid]}))
            packets = ((await browsers.counts()).received - begun.received) / used.seconds
        light = await one.level(1, seconds)
    real = used.groups["janus"]
    print("             Janus %  packets/s  Janus % for 100 packets/s")
    for name, share, rate in (
        ("Chromium", real, packets),
        ("light client", light.janus, light.packets),
    ):
        print(f"{name:12} {share:7.2f} {rate:10.0f} {share / rate * 100:26.2f}")
    ratio = (light.janus / light.packets) / (real / packets)
    print(f"a packet of the light clients costs Janus {ratio:.2f} times one of Chromium's")


async def main() -> None:
    task = asyncio.current_task()
    assert task
    # Or Janus would outlive us.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--calls", default="1,2,4,8", help="how many at once, a comma between")
    parser.add_argument("--seconds", type=float, default=20, help="of each measurement")
    parser.add_argument("--kbit", type=int, default=BITRATE // 1000, help="of a person's video")
    parser.add_argument("--rounds", type=int, default=1, help="all of it, so often")
    parser.add_argument("--chromium", action="store_true", help="compare with a browser instead")
    goal = parser.parse_args()
    print(f"{usage.CORES} cores of {usage.processor()}; {goal.kbit} kbit/s of video each way")
    if goal.chromium:
        await compare(goal.seconds, goal.kbit)
        return
    numbers = [int(number) for number in goal.calls.split(",")]
    levels = []
    for _ in range(goal.rounds):
        levels += await measure(numbers, goal.seconds, goal.kbit)
    print(recommendation(levels))


if __name__ == "__main__":
    asyncio.run(main())
