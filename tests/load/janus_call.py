"""One call of two through Janus, in a process of its own, without decoding what arrives.

Reads a `Ticket` as a line of JSON, then answers each further line with `Counts`; ends when its
input does. Joins as the call page does: a session each, a connection to publish and another one to
receive.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import aiohttp
from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCSessionDescription,
    rtcrtpreceiver,
)
from aiortc.rtp import RtcpReceiverInfo, RtcpRrPacket, RtpPacket

from shared.janus.tokens import VIDEOROOM
from tests.load.clip import PICTURES, SOUNDS, Clip, Loop

PATIENCE = 20.0
REPORTS = 1.0
"""Seconds between two receiver reports."""


@dataclass(frozen=True, slots=True)
class Ticket:
    url: str
    session_token: str
    room: int
    pin: str
    room_token: str
    clip: str


@dataclass(frozen=True, slots=True)
class Counts:
    """Packets since the call began, of both people; `late` since the last time it was asked."""

    sent: int
    received: int
    late: float
    """Seconds by which the latest 1 % of the frames were late."""


class Session:
    """A session of Janus over a WebSocket."""

    def __init__(self, token: str) -> None:
        self._token = token
        self._id: dict[str, int] = {}
        self._answers: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self.feed: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        """Who else publishes."""

    async def open(self, http: aiohttp.ClientSession, url: str) -> None:
        self._socket = await http.ws_connect(url, protocols=("janus-protocol",))
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._keep_alive())]
        self._id = {"session_id": (await self._ask({"janus": "create"}))["data"]["id"]}

    async def attach(self) -> int:
        answer = await self._ask({"janus": "attach", "plugin": VIDEOROOM})
        return int(answer["data"]["id"])

    async def message(
        self, handle: int, body: dict[str, Any], jsep: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """The event that answers: with `jsep`, when there is one."""
        message = {"janus": "message", "handle_id": handle, "body": body}
        answer = await self._ask({**message, **({"jsep": jsep} if jsep else {})})
        data = answer["plugindata"]["data"]
        if "error_code" in data:
            raise RuntimeError(f"Janus refuses {body['request']}: {data['error']}")
        return {**data, "jsep": answer.get("jsep")}

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await self._socket.close()

    async def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        transaction = uuid4().hex
        answer = self._answers[transaction] = asyncio.get_running_loop().create_future()
        tail = {**self._id, "transaction": transaction, "token": self._token}
        await self._socket.send_json({**message, **tail})
        async with asyncio.timeout(PATIENCE):
            said: dict[str, Any] = await answer
        if said["janus"] == "error":
            raise RuntimeError(f"Janus refuses {message['janus']}: {said['error']}")
        return said

    async def _read(self) -> None:
        async for received in self._socket:
            said = json.loads(received.data)
            answer = self._answers.pop(said.get("transaction", ""), None)
            if answer and said["janus"] == "ack":
                self._answers[said["transaction"]] = answer  # the event is to come
            elif answer:
                answer.set_result(said)
            publishers = said.get("plugindata", {}).get("data", {}).get("publishers")
            if publishers and not self.feed.done():
                self.feed.set_result(publishers[0]["id"])

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(25)
            keep = {"janus": "keepalive", "transaction": "keep", "token": self._token}
            await self._socket.send_json({**self._id, **keep})


class Ear:
    """Counts what a receiver hears and reports it to Janus, and does nothing else with it.

    It takes the place of aiortc's own handler, which would sort the packets into frames to decode.
    """

    def __init__(self, receiver: RTCRtpReceiver, clock_rate: int) -> None:
        self.hears = asyncio.Event()
        self.statistics: rtcrtpreceiver.StreamStatistics | None = None
        self._receiver = receiver
        self._clock_rate = clock_rate
        cast(Any, receiver)._handle_rtp_packet = self._handle

    @property
    def received(self) -> int:
        return self.statistics.packets_received if self.statistics else 0

    async def _handle(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        if self.statistics is None:
            self.statistics = rtcrtpreceiver.StreamStatistics(self._clock_rate)
            self._ssrc = packet.ssrc
            self.hears.set()
        if packet.ssrc == self._ssrc:
            self.statistics.add(packet)

    async def report(self) -> None:
        if self.statistics is None:
            return
        information = RtcpReceiverInfo(
            ssrc=self._ssrc,
            fraction_lost=self.statistics.fraction_lost,
            packets_lost=self.statistics.packets_lost,
            highest_sequence=self.statistics.max_seq or 0,
            jitter=self.statistics.jitter,
            lsr=0,
            dlsr=0,
        )
        await self._receiver._send_rtcp(RtcpRrPacket(ssrc=1, reports=[information]))


class Person:
    def __init__(self, ticket: Ticket, clip: Clip, number: int) -> None:
        self._ticket = ticket
        self._number = number
        self._session = Session(ticket.session_token)
        self._publishing, self._receiving = _connection(), _connection()
        self.video = Loop("video", clip.video, PICTURES)
        self._audio = Loop("audio", clip.audio, SOUNDS)
        self.ears: list[Ear] = []
        self._entry = {"room": ticket.room, "pin": ticket.pin, "token": ticket.room_token}

    async def join(self, http: aiohttp.ClientSession) -> None:
        """Publishes."""
        await self._session.open(http, self._ticket.url)
        handle = await self._session.attach()
        body = {"request": "join", "ptype": "publisher", "id": self._number, **self._entry}
        self._private_id = (await self._session.message(handle, body))["private_id"]
        for track in (self._audio, self.video):
            transceiver = self._publishing.addTransceiver(track, direction="sendonly")
            if track is self.video:
                cast(Any, transceiver.sender)._send_keyframe = track.restart
        await self._publishing.setLocalDescription(await self._publishing.createOffer())
        jsep = _jsep(self._publishing)
        answer = await self._session.message(handle, {"request": "publish"}, jsep)
        await self._publishing.setRemoteDescription(RTCSessionDescription(**answer["jsep"]))

    async def receive(self) -> None:
        """Returns when picture and sound of the other arrive."""
        async with asyncio.timeout(PATIENCE):
            feed = await self._session.feed
        handle = await self._session.attach()
        body = {"request": "join", "ptype": "subscriber", "private_id": self._private_id}
        offer = await self._session.message(
            handle, {**body, "streams": [{"feed": feed}], **self._entry}
        )
        await self._receiving.setRemoteDescription(RTCSessionDescription(**offer["jsep"]))
        self.ears = [
            Ear(one.receiver, 48_000 if one.kind == "audio" else 90_000)
            for one in self._receiving.getTransceivers()
        ]
        await self._receiving.setLocalDescription(await self._receiving.createAnswer())
        jsep = _jsep(self._receiving)
        await self._session.message(handle, {"request": "start"}, jsep)
        async with asyncio.timeout(PATIENCE):
            for ear in self.ears:
                await ear.hears.wait()

    async def sent(self) -> int:
        stats = await self._publishing.getStats()
        return sum(one.packetsSent for one in stats.values() if one.type == "outbound-rtp")

    async def leave(self) -> None:
        await self._publishing.close()
        await self._receiving.close()
        await self._session.close()


class Call:
    def __init__(self, ticket: Ticket) -> None:
        clip = Clip.load(Path(ticket.clip))
        self._people = [Person(ticket, clip, number) for number in (1, 2)]
        self._reports: asyncio.Task[None] | None = None

    async def begin(self, http: aiohttp.ClientSession) -> float:
        """Seconds from the second person's opening of a session until both hear and see."""
        first, second = self._people
        await first.join(http)
        begun = time.perf_counter()
        await asyncio.gather(first.receive(), self._come(second, http))
        self._reports = asyncio.create_task(self._report())
        return time.perf_counter() - begun

    async def _come(self, person: Person, http: aiohttp.ClientSession) -> None:
        await person.join(http)
        await person.receive()

    async def counts(self) -> Counts:
        late = sorted(s for person in self._people for s in person.video.late)
        for person in self._people:
            person.video.late.clear()
        return Counts(
            sent=sum([await person.sent() for person in self._people]),
            received=sum(ear.received for person in self._people for ear in person.ears),
            late=late[int(len(late) * 0.99)] if late else 0.0,
        )

    async def end(self) -> None:
        if self._reports:
            self._reports.cancel()
        for person in self._people:
            await person.leave()

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(REPORTS)
            for person in self._people:
                for ear in person.ears:
                    await ear.report()


def _connection() -> RTCPeerConnection:
    # aiortc would ask a STUN server of Google's.
    configuration = RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
    return RTCPeerConnection(configuration)


def _jsep(connection: RTCPeerConnection) -> dict[str, str]:
    return {"type": connection.localDescription.type, "sdp": connection.localDescription.sdp}


async def main() -> None:
    # They tell of connections that we close while they still open.
    for library in ("aioice", "asyncio"):
        logging.getLogger(library).setLevel(logging.CRITICAL)
    ticket = Ticket(**json.loads(sys.stdin.readline()))
    async with aiohttp.ClientSession() as http:
        call = Call(ticket)
        try:
            print(json.dumps({"joined": await call.begin(http)}), flush=True)
            while await asyncio.to_thread(sys.stdin.readline):
                print(json.dumps(asdict(await call.counts())), flush=True)
        except TimeoutError:
            sys.exit(f"a call did not begin: no answer or no media for {PATIENCE:.0f} s")
        finally:
            await call.end()


if __name__ == "__main__":
    asyncio.run(main())
