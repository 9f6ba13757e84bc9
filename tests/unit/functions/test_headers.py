"""The headers that harden browsers: on every answer of ours, whatever it is."""

from __future__ import annotations

import re
from pathlib import Path

import azure.functions as func
import pytest

from functions import pages
from tests.unit.functions.asking import HANDLERS, Door

HSTS = "Strict-Transport-Security"


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Door:
    return Door(monkeypatch)


@pytest.fixture
def dist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Built pages, whether or not `web/` was built."""
    (tmp_path / "assets").mkdir()
    for name in ("index.html", "docs.html", "assets/a.js"):
        (tmp_path / name).write_text("x")
    monkeypatch.setattr(pages, "DIST", tmp_path)
    return tmp_path


def page(name: str, path: str = "") -> dict[str, str]:
    request = func.HttpRequest("GET", "http://x/", route_params={"path": path}, body=b"")
    response = HANDLERS[name](request)
    return {"status": str(response.status_code), **dict(response.headers.items())}


PAGES = ("home_page", "call_page", "docs_page")


async def answers(door: Door) -> list[dict[str, str]]:
    asked = [
        await door.ask("rooms_list"),
        await door.ask("rooms_list", token="wrong"),
        await door.ask("rooms_get", room_id="7"),
        await door.ask("rooms_create", {"nonsense": 1}),
        await door.ask("health", token=""),
    ]
    return [dict(answer.headers) for answer in asked] + [page("openapi_json")]


async def test_data_can_do_nothing_in_a_browser(door: Door) -> None:
    for headers in await answers(door):
        assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        assert "camera=()" in headers["Permissions-Policy"]
        assert "microphone=()" in headers["Permissions-Policy"]


@pytest.mark.parametrize("name", PAGES)
def test_pages_run_our_code_only_and_in_no_frame(dist: Path, name: str) -> None:
    headers = page(name)
    assert headers["status"] == "200"
    policy = headers["Content-Security-Policy"]
    for rule in ("default-src 'self'", "script-src 'self'", "object-src 'none'"):
        assert f"{rule};" in policy
    assert policy.endswith("frame-ancestors 'none'")
    assert not re.search(r"script-src[^;]*unsafe", policy)
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer", "an invite never leaves by the referrer"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"


def test_the_call_page_reaches_any_machine_by_websocket_and_by_http(dist: Path) -> None:
    (rule,) = re.findall(r"connect-src ([^;]*);", page("call_page")["Content-Security-Policy"])
    assert rule.split() == ["'self'", "ws:", "wss:", "http:", "https:"]


@pytest.mark.parametrize("name", ["home_page", "call_page"])
def test_the_call_page_may_use_camera_and_microphone(dist: Path, name: str) -> None:
    allowed = page(name)["Permissions-Policy"]
    for device in ("camera", "microphone", "display-capture"):
        assert f"{device}=(self)" in allowed
    assert "geolocation=()" in allowed
    assert "camera=()" in page("docs_page")["Permissions-Policy"]


def test_assets_are_kept_and_never_sniffed(dist: Path) -> None:
    headers = page("assets", "a.js")
    assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert page("assets", "b.js")["status"] == "404"


async def test_https_is_for_ever_where_it_is_our_address(
    door: Door, dist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def everything() -> list[dict[str, str]]:
        served = [page(name) for name in PAGES]
        return [*await answers(door), *served, page("assets", "a.js"), page("assets", "b.js")]

    for url in ("http://localhost:7071", ""):
        monkeypatch.setenv("SUROGA_PUBLIC_URL", url)
        assert all(HSTS not in headers for headers in await everything())
    monkeypatch.setenv("SUROGA_PUBLIC_URL", "https://calls.example")
    assert {headers.get(HSTS) for headers in await everything()} == {"max-age=31536000"}
