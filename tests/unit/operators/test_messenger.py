"""The real apprise, against a web server and a mail server over sockets."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from io import StringIO
from typing import Any

import pytest
from aiohttp import web

from shared.operators import messenger_apprise
from shared.operators.messenger import Undelivered
from shared.operators.messenger_apprise import AppriseMessenger
from shared.operators.models import Level, Notice
from shared.platform import logs
from tests.fakes.smtp import smtp_sink
from tests.world import make_settings

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
"""Of a module that apprise looks for."""

NOTICE = Notice(
    "Suroga: Machine janus-0 does not stop", "Why: é <b>\nWhat to do: stop it.", "error"
)
SECRET = "s3cr3tt0k3nwithtwentysixchar"


class Hook:
    """A web server that answers `status`; `got` holds path and body of each request."""

    def __init__(self) -> None:
        self.got: list[tuple[str, Any]] = []
        self.status, self.answer, self.hangs = 200, "ok", False
        self.host = ""

    async def handle(self, request: web.Request) -> web.Response:
        self.got.append((request.path, json.loads(await request.text())))
        if self.hangs:
            await asyncio.sleep(3600)
        return web.Response(status=self.status, text=self.answer)


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    hook = Hook()
    app = web.Application()
    app.router.add_post("/{path:.*}", hook.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.01, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    hook.host = f"127.0.0.1:{port}"
    yield hook
    await runner.cleanup()


def messenger(*urls: str) -> AppriseMessenger:
    return AppriseMessenger(make_settings(alert_urls=" ".join(urls)))


async def reason(url: str) -> str:
    with pytest.raises(Undelivered) as failed:
        await messenger(url).send(0, NOTICE)
    assert str(failed.value) == failed.value.reason
    return failed.value.reason


@pytest.mark.parametrize(
    ("level", "kind"),
    [("info", "info"), ("success", "success"), ("warning", "warning"), ("error", "failure")],
)
async def test_a_web_hook_gets_title_text_and_type(hook: Hook, level: Level, kind: str) -> None:
    await messenger(f"json://{hook.host}/x").send(0, Notice(NOTICE.title, NOTICE.body, level))
    ((path, body),) = hook.got
    assert path == "/x"
    assert (body["title"], body["message"], body["type"]) == (NOTICE.title, NOTICE.body, kind)


async def test_a_chat_gets_it_in_its_own_form(hook: Hook) -> None:
    await messenger(f"json://127.0.0.1:1 mmost://{hook.host}/{SECRET}").send(1, NOTICE)
    ((path, body),) = hook.got
    assert path == f"/hooks/{SECRET}"
    assert NOTICE.title in body["text"]
    assert "stop it" in body["text"]
    assert "apprise" not in json.dumps(body).lower(), "it comes from us"


async def test_a_mail() -> None:
    async with smtp_sink() as sink:
        url = f"mailto://127.0.0.1:{sink.port}?from=suroga@a.example&to=o@b.example,p@b.example"
        await messenger(url).send(0, NOTICE)
    assert [mail["To"] for mail in sink.mails] == ["o@b.example", "p@b.example"]
    mail = sink.mails[0]
    assert mail["Subject"] == NOTICE.title
    assert mail["From"].addresses[0].addr_spec == "suroga@a.example"
    parts = {p.get_content_type(): p.get_content() for p in mail.walk() if not p.is_multipart()}
    assert any("Why: é" in text and "stop it" in text for text in parts.values())
    assert "<b>" not in parts.get("text/html", ""), "what an event quotes is text"


async def test_a_refused_mail() -> None:
    async with smtp_sink() as sink:
        sink.refuse = True
        url = f"mailto://127.0.0.1:{sink.port}?from=suroga@a.example&to=o@b.example"
        assert await reason(url) in ("unreachable", "refused")
    assert not sink.mails


@pytest.fixture
def written() -> Iterator[StringIO]:
    """What the process writes at the level DEBUG; `caplog` would hear what nobody writes."""
    stream = StringIO()
    handler, root = logging.StreamHandler(stream), logging.getLogger()
    ours = logging.getLogger("suroga")
    before = root.level, ours.level
    logs.set_levels("DEBUG")
    root.addHandler(handler)
    yield stream
    root.removeHandler(handler)
    logs.set_levels(before[0])
    ours.setLevel(before[1])


async def test_why_it_failed_without_a_word_of_the_url(
    hook: Hook, written: StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        closed = nobody.getsockname()[1]
    hook.status, hook.answer = 404, f"no channel {SECRET}"
    assert await reason(f"mmost://{hook.host}/{SECRET}") == "http_404"
    hook.status = 500
    assert await reason(f"json://user:{SECRET}@{hook.host}/") == "http_500"
    assert await reason(f"json://user:{SECRET}@127.0.0.1:{closed}/") == "unreachable"
    assert await reason(f"slack://{SECRET}") == "unusable"
    assert await reason(f"nosuchservice://{SECRET}") == "unusable"
    shown = written.getvalue() + "".join(capfd.readouterr())
    assert "operators.bad_channel" in shown
    assert SECRET not in shown
    assert "Failed to send" not in shown, "apprise itself writes nothing"


async def test_only_what_is_unusable_is_given_up_at_once(hook: Hook) -> None:
    hook.status = 400
    for url, lasting in ((f"json://{hook.host}/", False), (f"nosuchservice://{SECRET}", True)):
        with pytest.raises(Undelivered) as failed:
            await messenger(url).send(0, NOTICE)
        assert failed.value.lasting == lasting


async def test_a_service_that_hangs_is_left(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messenger_apprise, "PATIENCE", 0.2)
    hook.hangs = True
    assert await reason(f"json://{hook.host}/?rto=1") == "timeout"
    monkeypatch.setattr(messenger_apprise, "PATIENCE", 20)
    assert await reason(f"json://{hook.host}/?rto=0.2") == "unreachable"


async def test_the_first_message_says_which_urls_are_of_no_use(
    hook: Hook, caplog: pytest.LogCaptureFixture
) -> None:
    sender = messenger(f"json://{hook.host}/", f"slack://{SECRET}", f"nosuchservice://{SECRET}")
    assert sender.channels == ["json", "slack", "nosuchservice"]
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            await sender.send(0, NOTICE)
    lines = [r.getMessage() for r in caplog.records if "operators.bad_channel" in r.getMessage()]
    assert [json.loads(line)["channel"] for line in lines] == [2, 3]
