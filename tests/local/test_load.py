"""The checks that the host and the worker make at start."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

from local.host.load import MODULE, load_functions, read_functions
from local.host.routes import Routes
from local.host.settings import Settings, expand, load_settings
from local.terminal import Stop

DEVELOPMENT = "UseDevelopmentStorage=true"


@pytest.fixture
def app() -> func.FunctionApp:
    return func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


def refusal(app: func.FunctionApp) -> str:
    with pytest.raises(Stop) as caught:
        Routes(read_functions(app), "api")
    return str(caught.value)


def test_reads_what_a_function_is(app: func.FunctionApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERE", "there")

    @app.route("%WHERE%/{x}", methods=["GET"])
    async def one(req: func.HttpRequest, context: func.Context) -> str:
        return ""

    @app.timer_trigger("timer", "0 * * * * *", run_on_startup=True)
    def Another(timer: func.TimerRequest) -> None:  # noqa: N802
        pass

    another, found = read_functions(app)
    assert (another.name, another.is_async, another.trigger.get("runOnStartup")) == (
        "Another",
        False,
        True,
    )
    assert (found.name, found.is_async, found.wants_context, found.returns) == (
        "one",
        True,
        True,
        "http",
    )
    route = Routes([found], "api").find("get", "/API/there/1")
    assert route
    assert route[0].level == "function"
    assert route[1] == {"x": "1"}
    assert Routes([found], "").find("GET", "/there/1")


def test_an_empty_route_is_the_functions_name(app: func.FunctionApp) -> None:
    @app.route("")
    def named(req: func.HttpRequest) -> str:
        return ""

    assert Routes(read_functions(app), "").find("GET", "/") is None
    app.functions_bindings = {}
    assert Routes(read_functions(app), "").find("PATCH", "/named")


def _extra(app: func.FunctionApp) -> None:
    @app.route("x")
    def f(req: func.HttpRequest, more: str) -> str:
        return more


def _missing(app: func.FunctionApp) -> None:
    @app.route("x", trigger_arg_name="req")
    def f(request: func.HttpRequest) -> str:
        return ""


def _lacking(app: func.FunctionApp) -> None:
    @app.route("x")
    def f() -> str:
        return ""


def _context(app: func.FunctionApp) -> None:
    @app.route("x")
    def f(req: func.HttpRequest, context: str) -> str:
        return context


def _type(app: func.FunctionApp) -> None:
    @app.timer_trigger("timer", "0 * * * * *")
    def f(timer: func.QueueMessage) -> None:
        pass


def _setting(app: func.FunctionApp) -> None:
    @app.queue_trigger("msg", "%NO_SUCH_SETTING%", "AzureWebJobsStorage")
    def f(msg: func.QueueMessage) -> None:
        pass


def _connection(app: func.FunctionApp) -> None:
    @app.queue_trigger("msg", "queue", "NO_SUCH_SETTING")
    def f(msg: func.QueueMessage) -> None:
        pass


def _service_bus(app: func.FunctionApp) -> None:
    @app.service_bus_queue_trigger("msg", "c", "q")
    def f(msg: func.ServiceBusMessage) -> None:
        pass


def _blob(app: func.FunctionApp) -> None:
    @app.blob_trigger("blob", "p/{name}", "c")
    def f(blob: func.InputStream) -> None:
        pass


def _output(app: func.FunctionApp) -> None:
    @app.route("x")
    @app.queue_output("out", "q", "c")
    def f(req: func.HttpRequest, out: func.Out[str]) -> str:
        return ""


def _returned(app: func.FunctionApp) -> None:
    @app.timer_trigger("timer", "0 * * * * *")
    @app.queue_output("$return", "q", "AzureWebJobsStorage")
    def f(timer: func.TimerRequest) -> str:
        return ""


def _returns_dict(app: func.FunctionApp) -> None:
    @app.route("x")
    def f(req: func.HttpRequest) -> dict[str, str]:
        return {}


def _returns_none(app: func.FunctionApp) -> None:
    @app.route("x")
    def f(req: func.HttpRequest) -> None:
        pass


def _returns_perhaps(app: func.FunctionApp) -> None:
    @app.route("x")
    def f(req: func.HttpRequest) -> func.HttpResponse | None:
        return None


def _garbage(app: func.FunctionApp) -> None:
    @app.queue_trigger("msg", "queue", "GARBAGE")
    def f(msg: func.QueueMessage) -> None:
        pass


def _queue_name(app: func.FunctionApp) -> None:
    @app.queue_trigger("msg", "no_queue", "AzureWebJobsStorage")
    def f(msg: func.QueueMessage) -> None:
        pass


def _duplicate(app: func.FunctionApp) -> None:
    for _ in range(2):

        @app.route("x")
        def f(req: func.HttpRequest) -> str:
            return ""


def _case(app: func.FunctionApp) -> None:
    for name in ("f", "F"):

        @app.function_name(name)
        @app.route("x")
        def g(req: func.HttpRequest) -> str:
            return ""


def _reserved(app: func.FunctionApp) -> None:
    @app.route("{x:nonsense}")
    def f(req: func.HttpRequest) -> str:
        return ""


@pytest.mark.parametrize(
    ("define", "sentence"),
    [
        (_extra, "Function f has the parameter more, which no binding gives it."),
        (_missing, "Function f has the parameter request, which no binding gives it."),
        (_lacking, "Function f lacks the parameter req, which its trigger gives it."),
        (_context, "Function f: its parameter context should be a func.Context."),
        (_type, "Function f: its parameter timer cannot be a QueueMessage."),
        (_setting, "Function f: its queueName says %NO_SUCH_SETTING%, and there is no such"),
        (_connection, "Function f: its connection is the setting NO_SUCH_SETTING, which is not"),
        (_service_bus, "Function f: the local host has no Service Bus triggers;"),
        (_blob, "Function f: the local host has no blobTrigger;"),
        (_output, "Function f: the local host has no queue binding."),
        (_returned, "Function f: the local host has no queue binding."),
        (_returns_dict, "Function f is said to return dict[str, str]; the worker takes"),
        (_returns_none, "Function f is said to return None; the worker takes"),
        (_returns_perhaps, "Function f is said to return "),
        (_garbage, "Function f: its connection, the setting GARBAGE, is no connection string."),
        (_queue_name, "Function f: «no_queue» is no queue's name"),
        (_duplicate, "function_app.py: Function f does not have a unique function name."),
        (_case, "are named"),
        (_reserved, "Function f: its route «{x:nonsense}» is wrong: «nonsense» is no route"),
    ],
)
def test_refuses(
    app: func.FunctionApp,
    monkeypatch: pytest.MonkeyPatch,
    define: Callable[[func.FunctionApp], None],
    sentence: str,
) -> None:
    monkeypatch.setenv("AzureWebJobsStorage", "UseDevelopmentStorage=true")
    monkeypatch.setenv("GARBAGE", "hush-garbage")
    define(app)
    said = refusal(app)
    assert sentence in said
    assert said.endswith(".")
    assert "\n" not in said
    assert "hush" not in said


def test_reserved_routes(app: func.FunctionApp) -> None:
    @app.route("admin/x")
    def f(req: func.HttpRequest) -> str:
        return ""

    functions = read_functions(app)
    with pytest.raises(Stop, match="one of the host's own"):
        Routes(functions, "")
    Routes(functions, "api")


@pytest.mark.parametrize("value", ["true", "1", "True"])
@pytest.mark.parametrize("define", [_service_bus, _blob, _connection, _setting])
def test_a_disabled_function_may_be_what_the_host_lacks(
    app: func.FunctionApp,
    monkeypatch: pytest.MonkeyPatch,
    define: Callable[[func.FunctionApp], None],
    value: str,
) -> None:
    monkeypatch.setenv("AzureWebJobs.f.Disabled", value)
    define(app)
    assert [f.disabled for f in read_functions(app)] == [True]


def test_a_connection_may_have_the_prefix(
    app: func.FunctionApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AzureWebJobsNO_SUCH_SETTING", DEVELOPMENT)
    _connection(app)
    assert read_functions(app)[0].connection == DEVELOPMENT


def test_no_connection_is_that_of_the_host(
    app: func.FunctionApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AzureWebJobsStorage", DEVELOPMENT)

    @app.queue_trigger("msg", "Capital-Queue", "")
    def f(msg: func.QueueMessage) -> None:
        pass

    (found,) = read_functions(app)
    assert (found.connection, found.trigger.get("queueName")) == (DEVELOPMENT, "capital-queue")


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (None, "There is no function_app.py in "),
        ("x = (", "imported: SyntaxError: '(' was never closed (function_app.py, line 1)."),
        ("\nraise SystemExit('no')", "SystemExit: no (function_app.py, line 2)."),
        ("import json\njson.loads('')", "(function_app.py, line 2)."),
        ("x = 1", "function_app.py defines no FunctionApp at its top level: it needs one."),
        (
            "import azure.functions as f\na, b = f.FunctionApp(), f.FunctionApp()",
            "function_app.py defines more than one FunctionApp",
        ),
    ],
)
def test_bad_apps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str | None, sentence: str
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", {k: v for k, v in sys.modules.items() if k != MODULE})
    if source is not None:
        (tmp_path / "function_app.py").write_text(source)
    with pytest.raises(Stop) as caught:
        load_functions(tmp_path)
    assert sentence in str(caught.value)
    assert str(caught.value).endswith(".")


def folder(tmp_path: Path, host: Any = None, local: Any = None) -> Path:
    if host is not None:
        (tmp_path / "host.json").write_text(host if isinstance(host, str) else json.dumps(host))
    if local is not None:
        text = local if isinstance(local, str) else json.dumps(local)
        (tmp_path / "local.settings.json").write_text(text)
    return tmp_path


V2 = {"version": "2.0"}


def test_settings(tmp_path: Path) -> None:
    environment = {"SET": "before"}
    local = {
        "Values": {"SET": "after", "NEW": "1", "AzureWebJobsDisableHomepage": "TRUE"},
        "Host": {"CORS": "http://a, http://b/", "CORSCredentials": True, "LocalHttpPort": 7},
    }
    host = {**V2, "extensions": {"http": {"routePrefix": "/x/"}, "queues": {"batchSize": 1}}}
    assert load_settings(folder(tmp_path, host, local), environment) == Settings(
        route_prefix="x",
        queues={"batchSize": 1},
        cors=("http://a", "http://b"),
        cors_credentials=True,
        port=7,
        homepage=False,
    )
    assert environment["SET"] == "before"
    assert environment["NEW"] == "1"


def test_settings_by_default(tmp_path: Path) -> None:
    assert load_settings(folder(tmp_path, V2), {}) == Settings("api", {}, (), False, 7071, True)


@pytest.mark.parametrize(
    ("host", "local", "sentence"),
    [
        (None, None, "There is no host.json in"),
        ("{", None, "host.json is not JSON (line 1: "),
        ("[]", None, "host.json: the whole file should be a JSON object."),
        ({}, None, 'host.json should say "version": "2.0".'),
        ({**V2, "extensions": {"http": 1}}, None, "extensions.http should be a JSON object."),
        (V2, "{\n,}", "local.settings.json is not JSON (line 2: "),
        (V2, {"Values": {"A": 1}}, "local.settings.json: Values.A should be a string."),
        (V2, {"Host": {"LocalHttpPort": "7"}}, "Host.LocalHttpPort should be a port number."),
        (V2, {"IsEncrypted": True}, "local.settings.json is encrypted"),
    ],
)
def test_bad_settings(tmp_path: Path, host: Any, local: Any, sentence: str) -> None:
    with pytest.raises(Stop) as caught:
        load_settings(folder(tmp_path, host, local), {})
    assert sentence in str(caught.value)
    assert str(caught.value).endswith(".")


def test_expand() -> None:
    assert expand("a%X%c%X%", {"X": "b"}) == "abcb"
    with pytest.raises(KeyError):
        expand("%Y%", {})
