"""Ten seconds of picture and sound, encoded once and sent over and over.

Janus never decodes: what it works on is packets. So it is the rate and the size of the frames that
must be those of a call, and the clients need not encode anything while they are measured.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from aiortc import MediaStreamTrack

PICTURES = 30
SOUNDS = 50
"""Frames a second. A frame of sound is one packet; a picture is as many as its bytes need."""

WIDTH, HEIGHT = 640, 480
_SOUND_BITS = 32_000


def encode(path: Path, kbit: int, seconds: int) -> None:
    """A WebM of VP8 at a constant `kbit` a second and Opus.

    Noise, for a still picture would not fill the rate. Only the first picture is a keyframe.
    """
    bits = str(kbit * 1000)
    with av.open(str(path), "w", format="webm") as out:
        video = out.add_stream("libvpx", rate=PICTURES)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.options = {
            "b": bits,
            "minrate": bits,
            "maxrate": bits,
            "bufsize": str(kbit * 500),
            "deadline": "realtime",
            "cpu-used": "12",
            "lag-in-frames": "0",
            "g": "100000",
        }
        audio = out.add_stream("libopus", rate=48_000)
        audio.bit_rate = _SOUND_BITS
        sound = f"anoisesrc=sample_rate=48000:amplitude=0.1:duration={seconds},asetnsamples=n=960"
        sources: tuple[tuple[Any, str], ...] = (
            (video, _picture(seconds)),
            (audio, f"{sound},aformat=sample_fmts=s16:channel_layouts=stereo"),
        )
        for stream, source in sources:
            with av.open(source, format="lavfi") as frames:
                for frame in frames.decode():
                    if isinstance(frame, av.VideoFrame):
                        frame.pict_type = av.video.frame.PictureType.NONE
                    out.mux(stream.encode(frame))
            out.mux(stream.encode(None))


def film(path: Path, seconds: int = 4) -> None:
    """The same picture for a browser's camera, as MJPEG."""
    with av.open(str(path), "w", format="mjpeg") as out:
        stream = out.add_stream("mjpeg", rate=PICTURES)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
        with av.open(_picture(seconds), format="lavfi") as frames:
            for frame in frames.decode(video=0):
                out.mux(stream.encode(frame.reformat(format="yuvj420p")))
        out.mux(stream.encode(None))


def _picture(seconds: int) -> str:
    source = f"testsrc2=size={WIDTH}x{HEIGHT}:rate={PICTURES}:duration={seconds}"
    return f"{source},noise=alls=20:allf=t,format=yuv420p"


@dataclass(frozen=True, slots=True)
class Clip:
    video: list[bytes]
    audio: list[bytes]

    @classmethod
    def load(cls, path: Path) -> Clip:
        with av.open(str(path)) as webm:
            packets = [(packet.stream.type, bytes(packet)) for packet in _full(webm)]
        return cls(
            video=[data for kind, data in packets if kind == "video"],
            audio=[data for kind, data in packets if kind == "audio"],
        )


def _full(webm: av.container.InputContainer) -> Iterator[av.Packet[Any]]:
    return (packet for packet in webm.demux() if packet.size)


class Loop(MediaStreamTrack):
    """Sends the frames at their rate, again and again. `late` are the seconds by which each was
    late: when they grow, it is the sender that can't keep up."""

    def __init__(self, kind: str, frames: list[bytes], rate: int) -> None:
        super().__init__()
        self.kind = kind
        self.late: list[float] = []
        self._frames = frames
        self._rate = rate
        self._count = 0
        self._next = 0
        self._begun = 0.0

    def restart(self) -> None:
        """The next frame is the keyframe, as from a browser that was asked for one."""
        self._next = 0

    async def recv(self) -> av.Packet[Any]:
        self._begun = self._begun or time.monotonic()
        wait = self._begun + self._count / self._rate - time.monotonic()
        self.late.append(max(0.0, -wait))
        if wait > 0:
            await asyncio.sleep(wait)
        packet = av.Packet(self._frames[self._next])
        packet.pts, packet.time_base = self._count, Fraction(1, self._rate)
        self._next = (self._next + 1) % len(self._frames)
        self._count += 1
        return packet
