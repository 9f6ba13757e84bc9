"""Invites through the door, and the files that go with them, read as others read them."""

from __future__ import annotations

import json
import re
import threading
import zlib
from collections.abc import Callable, Iterable
from typing import Any
from xml.etree import ElementTree

import pytest
import segno
import zxingcpp
from icalendar import Calendar

from functions.docs import _document
from shared.platform.auth import LocalTokens
from tests.unit.functions.asking import Answer, Door

BOB = {"name": "Bob", "email": "bob@example.test"}


class House(Door):
    number = ""

    async def build(self) -> None:
        self.number = str((await self.world.book(120)).booking.booking_id)

    async def of(self, name: str, body: Any = None, invite_id: str = "", **more: Any) -> Answer:
        """An operation on the booking, or on one of its invites."""
        route = {"booking_id": self.number} | ({"invite_id": invite_id} if invite_id else {})
        return await self.ask(name, body, **more, **route)

    async def invite(self, body: Any = BOB, **more: Any) -> Answer:
        return await self.of("invites_create", body, **more)


@pytest.fixture
async def house(monkeypatch: pytest.MonkeyPatch) -> House:
    house = House(monkeypatch)
    await house.build()
    return house


async def test_the_life_of_an_invite(house: House) -> None:
    made = await house.invite()
    invite_id = made.body["invite_id"]
    assert made.status == 201
    assert made.headers["Location"] == f"/api/v1/bookings/{house.number}/invites/{invite_id}"
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", invite_id)
    assert {k: made.body[k] for k in BOB} == BOB
    listed = await house.of("invites_list")
    assert [each["invite_id"] for each in listed.body] == ["guest", invite_id]
    assert listed.body[1] == made.body
    assert listed.body[0].keys() == {"invite_id", "invite_url"}
    token = made.body["invite_url"].removeprefix("http://localhost:7071/call#invite=")
    shown = await house.ask("invites_show", {"token": token}, token="")
    assert (shown.status, shown.body["name"]) == (200, "Bob")
    for _ in range(2):
        assert (await house.of("invites_revoke", invite_id=invite_id)).status == 204
    shown = await house.ask("invites_show", {"token": token}, token="")
    assert (shown.status, shown.code) == (410, "invite_revoked")
    assert [e["invite_id"] for e in (await house.of("invites_list")).body] == ["guest"]


async def test_the_same_request_again_makes_one_invite(house: House) -> None:
    keyed = {"headers": {"Idempotency-Key": "k-1"}}
    first, again = await house.invite(**keyed), await house.invite(**keyed)
    assert (again.status, again.body) == (201, first.body)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["Location"] == first.headers["Location"]
    other = await house.invite({"name": "Carol"}, **keyed)
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    assert len((await house.of("invites_list")).body) == 2
    stored = json.dumps(house.world.rows("Calendar", "00|20260610"))
    assert first.body["invite_url"] not in stored


@pytest.mark.parametrize(
    ("body", "field"),
    [
        *(({}, "body"), ({"name": ""}, "name"), ({"name": "x" * 81}, "name")),
        *(({"name": "a\nb"}, "name"), ({"email": "nobody"}, "email"), ({"id": "x"}, "id")),
        *(({"email": "a b@c"}, "email"), ({"name": "x", "phone": "1"}, "phone")),
    ],
    ids=str,
)
async def test_bad_guests_are_named(house: House, body: Any, field: str) -> None:
    answer = await house.invite(body)
    assert answer.status == 400
    assert field in {error["field"] for error in answer.body["errors"]}


@pytest.mark.parametrize(
    "name", ["invites_revoke", "invites_qr", "invites_calendar"], ids=lambda name: name
)
@pytest.mark.parametrize("invite_id", ["nobody", "a b|c", "é" * 300])
async def test_an_invite_that_never_was(house: House, name: str, invite_id: str) -> None:
    answer = await house.of(name, invite_id=invite_id)
    assert (answer.status, answer.code) == (404, "invite_not_found")


async def test_admins_see_them_and_nobody_else_does(house: House) -> None:
    for who, tenant, roles, status in [
        *(("root", "acme", ("admin",), 200), ("bob", "acme", (), 404)),
        ("alice", "evil", ("admin",), 404),
    ]:
        token = house.token(who, tenant, *roles)
        assert (await house.of("invites_list", token=token)).status == status
        for name in ("invites_qr", "invites_calendar"):
            assert (await house.of(name, invite_id="guest", token=token)).status == status
        assert (await house.of("bookings_calendar", token=token)).status == status


async def test_a_closed_booking_takes_no_guests_and_still_has_its_file(house: House) -> None:
    await house.ask("bookings_delete", booking_id=house.number)
    english = {"headers": {"accept-language": "en"}}
    refused = await house.invite(**english)
    assert (refused.status, refused.code) == (409, "booking_closed")
    file = await house.of("bookings_calendar")
    assert Calendar.from_ical(file.body)["METHOD"] == "CANCEL"


# -- calendar files ----------------------------------------------------------------------------


async def test_calendar_files(house: House) -> None:
    made = await house.invite()
    tokens = LocalTokens(house.world.settings, house.world.clock)
    token = tokens.issue("alice", "acme", ["user"], "Alice", "alice@example.test")
    own = await house.of("bookings_calendar", token=token, headers={"accept-language": "en"})
    assert own.status == 200
    assert own.headers["Content-Disposition"] == (
        f'attachment; filename="booking-{house.number}.ics"'
    )
    assert own.headers["Content-Language"] == "en"
    assert own.headers["Cache-Control"] == "no-store"
    (event,) = Calendar.from_ical(own.body).walk("VEVENT")
    assert event["SUMMARY"] == "Video call with Bob"
    invite_id = made.body["invite_id"]
    theirs = await house.of("invites_calendar", invite_id=invite_id, token=token)
    calendar = Calendar.from_ical(theirs.body)
    (event,) = calendar.walk("VEVENT")
    assert calendar["METHOD"] == "REQUEST"
    assert event["URL"] == made.body["invite_url"]
    assert event["SUMMARY"] == "Videochamada com Alice"
    assert event["SEQUENCE"] == 1, "the invite was a change"


# -- QR codes: decoded with ZXing, from the pixels that the file draws ---------------------------


def decode(rows: list[bytes]) -> str:
    pixels = memoryview(b"".join(rows)).cast("B", (len(rows), len(rows[0])))
    (found,) = zxingcpp.read_barcodes(pixels)
    return str(found.text)


def png_pixels(png: bytes) -> list[bytes]:
    """A PNG of one bit, grey, with lines as they are or relative to the one above: what segno
    writes."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, data = 8, b""
    while at < len(png):
        size, kind = int.from_bytes(png[at : at + 4], "big"), png[at + 4 : at + 8]
        body = png[at + 8 : at + 8 + size]
        if kind == b"IHDR":
            width, height = (int.from_bytes(body[n : n + 4], "big") for n in (0, 4))
            assert body[8:10] == b"\x01\x00"
        data += body if kind == b"IDAT" else b""
        at += size + 12
    raw, stride = zlib.decompress(data), 1 + (width + 7) // 8
    lines = [bytes(stride - 1)]
    for row in range(height):
        how, line = raw[row * stride], raw[row * stride + 1 : (row + 1) * stride]
        above = lines[-1] if {0: False, 2: True}[how] else bytes(stride - 1)
        lines.append(bytes(a + b & 255 for a, b in zip(line, above, strict=True)))
    return [
        bytes(255 * (line[x // 8] >> (7 - x % 8) & 1) for x in range(width)) for line in lines[1:]
    ]


def svg_pixels(svg: bytes) -> list[bytes]:
    """Three pixels a module, drawn from the strokes of segno's path."""
    root = ElementTree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    (stroke,) = [path for path in root.iter() if "stroke" in path.attrib]
    scales = [g.attrib["transform"] for g in root.iter() if "transform" in g.attrib]
    scale = float(scales[0][len("scale(") : -1])
    size = round(float(root.attrib["width"]) / scale)
    canvas = [bytearray(b"\xff" * size * 3) for _ in range(size * 3)]
    for y, x, length in _strokes(stroke.attrib["d"]):
        for row in range(3):
            canvas[y * 3 + row][x * 3 : (x + length) * 3] = bytes(length * 3)
    return [bytes(row) for row in canvas]


def _strokes(path: str) -> Iterable[tuple[int, int, int]]:
    x = y = 0.0
    for command, numbers in re.findall(r"([Mmh])([-\d. ]+)", path):
        values = [float(number) for number in re.findall(r"-?[\d.]+", numbers)]
        if command == "h":
            yield int(y - 0.5), int(x), int(values[0])
            x += values[0]
        else:
            x, y = values if command == "M" else (x + values[0], y + values[1])


async def test_the_pictures_lead_to_the_call(house: House) -> None:
    made = await house.invite()
    invite_id = made.body["invite_id"]
    shared = (await house.of("invites_list")).body[0]["invite_url"]
    for scale in ({}, {"scale": "3"}):
        svg = await house.of("invites_qr", invite_id=invite_id, params=scale)
        assert decode(svg_pixels(svg.body)) == made.body["invite_url"]
        png = await house.of("invites_qr", invite_id="guest", params={"format": "png", **scale})
        assert decode(png_pixels(png.body)) == shared
    assert png.headers["Cache-Control"] == svg.headers["Cache-Control"] == "no-store"


async def test_their_size_and_colours(house: House) -> None:
    sizes = []
    for scale in ("1", "10"):
        params = {"format": "png", "scale": scale}
        rows = png_pixels((await house.of("invites_qr", invite_id="guest", params=params)).body)
        margin = 4 * int(scale)
        assert set(b"".join(rows[:margin] + rows[-margin:])) == {255}, "white around it"
        assert 0 in rows[margin]
        sizes.append(len(rows))
    assert sizes[1] == 10 * sizes[0]


async def test_no_other_request_waits_for_them(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []
    for owner, name in ((segno, "make"), (Calendar, "to_ical")):
        monkeypatch.setattr(owner, name, noting_its_thread(getattr(owner, name), threads))
    for form in ("svg", "png"):
        await house.of("invites_qr", invite_id="guest", params={"format": form})
    await house.of("invites_calendar", invite_id="guest")
    await house.of("bookings_calendar")
    assert len(threads) == 4
    assert threading.get_ident() not in threads


def noting_its_thread(work: Callable[..., Any], threads: list[int]) -> Callable[..., Any]:
    def noted(*args: Any, **kwargs: Any) -> Any:
        threads.append(threading.get_ident())
        return work(*args, **kwargs)

    return noted


@pytest.mark.parametrize(
    ("params", "field"),
    [
        *(({"format": "gif"}, "format"), ({"scale": "0"}, "scale"), ({"scale": "11"}, "scale")),
        *(({"scale": "big"}, "scale"), ({"colour": "red"}, "colour")),
    ],
    ids=str,
)
async def test_bad_pictures_are_named(house: House, params: dict[str, str], field: str) -> None:
    answer = await house.of("invites_qr", invite_id="guest", params=params)
    assert (answer.status, answer.body["errors"][0]["field"]) == (400, field)


@pytest.mark.parametrize(
    ("name", "params", "media"),
    [
        ("invites_qr", {}, "image/svg+xml"),
        ("invites_qr", {"format": "png"}, "image/png"),
        ("invites_calendar", {}, "text/calendar"),
        ("bookings_calendar", {}, "text/calendar"),
    ],
)
async def test_media_types_are_sent_and_described(
    house: House, name: str, params: dict[str, str], media: str
) -> None:
    invite = {} if name == "bookings_calendar" else {"invite_id": "guest"}
    answer = await house.of(name, params=params, **invite)
    assert (answer.status, answer.media) == (200, media)
    described = [
        operation["responses"]["200"]["content"]
        for path in json.loads(_document())["paths"].values()
        for operation in path.values()
        if operation["operationId"] == name
    ]
    assert media in described[0]
    assert "application/json" not in described[0]
