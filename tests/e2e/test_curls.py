"""The commands that the documents show do what they say, sent by the real curl.

Nothing in them is changed but the host, the tokens, the dates and the ids.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.platform.clock import iso
from tests.e2e.system import System, until

PAGE = Path(__file__).resolve().parents[2] / "docs" / "api.md"

LIST_AVAILABLE = r"""
curl -X GET "https://api.suroga.com/api/v1/rooms/?available=true&start_time=2025-06-20T10:00:00Z&end_time=2025-06-20T11:00:00Z" \
-H "Authorization: Bearer <token>"
"""  # noqa: E501 (as the document has it)

BOOK = r"""
curl -X POST "https://api.suroga.com/api/v1/bookings/" \
 -H "Authorization: Bearer <token>" \
 -H "Content-Type: application/json" \
 -d '{
 "start_time": "2025-06-20T10:00:00Z",
 "end_time": "2025-06-20T11:00:00Z"
}'
"""

BOOK_ROOM = r"""
curl -X POST "https://api.suroga.com/api/v1/bookings/" \
 -H "Authorization: Bearer <token>" \
 -H "Content-Type: application/json" \
 -d '{
 "room_id": 12345,
 "start_time": "2025-06-20T10:00:00Z",
 "end_time": "2025-06-20T11:00:00Z"
}'
"""

RESET = r"""
curl -X POST "https://api.suroga.com/api/v1/rooms/12345/password/reset/" \
 -H "Authorization: Bearer <admin-token>"
"""

PARTICIPANTS = r"""
curl -X GET "https://api.suroga.com/api/v1/rooms/12345/participants/" \
 -H "Authorization: Bearer <token>"
"""


@dataclass(frozen=True)
class Scene:
    """A running system with what the commands need. `live` is a room with a call in progress."""

    system: System
    alice: str
    admin: str
    operator: str
    live: int

    def ask(self, method: str, path: str, body: Any = None, token: str = "") -> Any:
        status, answer = self.system.request(method, f"/api/v1/{path}", body, token or self.alice)
        assert status in (200, 201), (path, status, answer)
        return answer

    def room(self) -> int:
        return int(self.ask("POST", "rooms", {})["room_id"])

    def booking(self, day: str) -> int:
        times = {"start_time": f"{day}T10:00:00Z", "end_time": f"{day}T11:00:00Z"}
        return int(self.ask("POST", "bookings", times)["booking_id"])

    def run(
        self, command: str, day: str, room: int, booking: int = 0, folder: Path = PAGE.parent
    ) -> Answer:
        return curl(
            command,
            folder,
            {
                "https://api.suroga.com": self.system.url,
                "http://localhost:7071": self.system.url,
                "<token>": self.alice,
                "<admin-token>": self.admin,
                "<operator-token>": self.operator,
                "2025-06-20": day,
                "2026062000123456": str(booking),
                "2026-06-20": day,
                "12345": str(room),
            },
        )


@dataclass(frozen=True)
class Answer:
    status: int
    media: str
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)


def curl(command: str, folder: Path, changes: Mapping[str, str]) -> Answer:
    """Runs it as a shell does; curl also says the status and the type."""
    pattern = "|".join(re.escape(old) for old in changes)
    command = re.sub(pattern, lambda found: changes[found[0]], command.strip())
    told = r" -sS -w '\n%{http_code} %{content_type}'"
    done = subprocess.run(
        ["sh", "-c", command + told], cwd=folder, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    text, _, last = done.stdout.rpartition("\n")
    status, _, media = last.partition(" ")
    return Answer(int(status), media, text)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    system = System(tmp_path_factory.mktemp("curls"), SUROGA_LOCAL_VMS="4")
    system.start()
    yield _prepared(system)
    assert system.stop() == 0


def _prepared(system: System) -> Scene:
    def token(user: str, *roles: str) -> str:
        body = {"user": user, "roles": roles}
        return str(system.request("POST", "/api/v1/auth/token", body)[1]["access_token"])

    alice, admin = token("alice", "user"), token("root", "user", "admin")
    now = datetime.now(UTC)
    times = {"start_time": iso(now), "end_time": iso(now + timedelta(hours=1))}
    status, booked = system.request("POST", "/api/v1/bookings", times, alice)
    assert status == 201, booked
    path = f"/api/v1/bookings/{booked['booking_id']}/join"
    join = {"nonce": "browser-tab-1"}
    until(lambda: system.request("POST", path, join, alice)[0] == 200, 90)
    return Scene(system, alice, admin, token("olga", "operator"), booked["room_id"])


def day(ahead: int) -> str:
    return (datetime.now(UTC) + timedelta(days=ahead)).date().isoformat()


# -- the five of webrtc-streaming.md 5.11 ----------------------------------------------------------


def test_list_available_rooms(scene: Scene) -> None:
    room, taken = scene.room(), scene.room()
    body = {"start_time": f"{day(20)}T10:30:00Z", "end_time": f"{day(20)}T11:30:00Z"}
    scene.ask("POST", "bookings", {**body, "room_id": taken})
    answer = scene.run(LIST_AVAILABLE, day(20), room)
    assert (answer.status, answer.media) == (200, "application/json")
    listed = {each["room_id"]: each for each in answer.body}
    assert room in listed
    assert taken not in listed
    assert listed[room]["max_participants"] == 2
    assert listed[room].keys() >= {"created_at", "updated_at"}
    assert "password" not in answer.text


def test_book_whichever_room_is_free(scene: Scene) -> None:
    answer = scene.run(BOOK, day(21), 0)
    assert answer.status == 201
    booked = answer.body
    assert booked.keys() >= {"booking_id", "room_id", "password"}
    assert (booked["start_time"], booked["end_time"]) == (
        f"{day(21)}T10:00:00Z",
        f"{day(21)}T11:00:00Z",
    )


def test_book_one_room_once(scene: Scene) -> None:
    room = scene.room()
    first, second = scene.run(BOOK_ROOM, day(22), room), scene.run(BOOK_ROOM, day(22), room)
    assert first.status == 201
    assert first.body["room_id"] == room
    assert first.body["password"]
    assert (second.status, second.media) == (409, "application/problem+json")
    assert second.body["detail"] == f"Sala {room} já reservada no intervalo solicitado."


def test_reset_the_password(scene: Scene) -> None:
    made = scene.ask("POST", "rooms", {})
    answer = scene.run(RESET, day(23), made["room_id"])
    assert answer.status == 200
    assert answer.body.keys() == {"room_id", "new_password"}
    assert answer.body["room_id"] == made["room_id"]
    assert answer.body["new_password"] != made["password"]


def test_list_participants(scene: Scene) -> None:
    answer = scene.run(PARTICIPANTS, day(24), scene.live)
    assert answer.status == 200
    assert answer.body["room_id"] == scene.live
    assert answer.body["participant_count"] == len(answer.body["participants"])


# -- those of docs/api.md --------------------------------------------------------------------------


def commands() -> list[str]:
    fences = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    return [fence for fence in fences if fence.startswith("curl ")]


def name(command: str) -> str:
    """`POST bookings`, to choose by what a command should answer."""
    method = re.search(r"-X (\w+)", command)
    path = re.search(r'"http://localhost:7071/(?:api/v1/)?([^"?]+)', command)
    assert path, command
    words = re.sub(r"\b\d+\b", "N", path[1].strip("/"))
    return f"{method[1] if method else 'GET'} {words}"


EXPECTED: Mapping[str, tuple[int, Callable[[Any], bool]]] = {
    "POST auth/token": (200, lambda body: body["token_type"] == "Bearer"),
    "GET rooms": (200, lambda body: isinstance(body, list)),
    "POST bookings": (201, lambda body: bool(body["password"] and body["invite_url"])),
    "POST rooms/N/password/reset": (200, lambda body: bool(body["new_password"])),
    "GET rooms/N/participants": (200, lambda body: isinstance(body["participants"], list)),
    "POST rooms": (201, lambda body: body["optional_name"] == "Sala de reunião X"),
    "GET rooms/availability": (200, lambda body: body["available_rooms"] is not None),
    "GET bookings": (200, lambda body: len(body) == 1),
    "PATCH bookings/N": (200, lambda body: body["end_time"].endswith("T15:00:00Z")),
    "POST bookings/N/invites": (201, lambda body: body["name"] == "Maria"),
    "GET bookings/N/invites/guest/qr": (200, lambda body: body is None),
    "GET bookings/N/calendar.ics": (200, lambda body: body is None),
    "DELETE bookings/N": (204, lambda body: body is None),
    "POST series": (201, lambda body: len(body["bookings"]) == 3),
    "GET audit": (200, lambda body: {e["action"] for e in body} == {"booking.create"}),
    "GET fleet": (200, lambda body: len(body["machines"]) == 4),
    "POST fleet/machines/janus-N/hold": (200, lambda body: body["manual"]["by"] == "olga"),
    "POST fleet/machines/janus-N/release": (200, lambda body: "manual" not in body),
    "GET fleet/plan.svg": (200, lambda body: body is None),
    "GET reports/usage.csv": (200, lambda body: body is None),
    "GET reports/summary": (200, lambda body: body["periods"][-1]["vm_seconds"] > 0),
    "GET health": (200, lambda body: body["database"] == "ok"),
}

FILES = {
    "invite.png": b"\x89PNG",
    "call.ics": b"BEGIN:VCALENDAR",
    "plan.svg": b"<svg",
    "usage.csv": b"month,tenant",
}


@pytest.mark.parametrize("number", range(len(commands())), ids=lambda n: name(commands()[n]))
def test_the_page_can_be_copied(number: int, scene: Scene, tmp_path: Path) -> None:
    command, when = commands()[number], day(30 + 2 * number)
    booking = scene.booking(when)
    room = scene.live if "/participants" in command else scene.room()
    answer = scene.run(command, when, room, booking, tmp_path)
    status, shape = EXPECTED[name(command)]
    assert answer.status == status, answer.text
    assert shape(answer.body if answer.text else None)
    for file in tmp_path.iterdir():
        assert file.read_bytes().startswith(FILES[file.name])


def test_no_command_is_left_out() -> None:
    page = PAGE.read_text()
    assert len(commands()) == len(re.findall(r"^curl ", page, re.M))
    assert {name(command) for command in commands()} == EXPECTED.keys()
    shown = [_words(command) for command in commands()]
    for command in (LIST_AVAILABLE, BOOK, BOOK_ROOM, RESET, PARTICIPANTS):
        assert _words(command) in shown, "the page shows the document's five"


def _words(command: str) -> list[str]:
    """Whatever the indentation, the host and the year."""
    same = command.replace("https://api.suroga.com", "http://localhost:7071").replace(
        "2025", "2026"
    )
    return same.replace("\\\n", " ").split()
