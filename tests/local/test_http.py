"""Requests and answers over real sockets."""

from __future__ import annotations

import http.client
import json
import re
import socket
from typing import Any

import pytest

from tests.local.running import Running, eventually, make_subject


def test_a_function_sees_the_request_as_in_azure(host: Running) -> None:
    headers = {"X-Forwarded-For": "9.9.9.9", "X-Mixed-Case": "v", "Content-Type": "text/x"}
    path = "/SEE/007/?a=1&A=2&empty=&plus=x+y%20z&a=%C3%A9"
    seen = host.ask(path, "POST", b"\xff{", headers).json
    assert seen["method"] == "POST"
    assert seen["url"] == f"http://127.0.0.1:{host.port}{path}"
    assert seen["route"] == {"id": "007", "name": "nobody"}
    assert seen["params"] == {"a": "1,2,é", "plus": "x y z"}
    assert seen["body"] == "\xff{"
    assert seen["headers"]["x-mixed-case"] == "v"
    assert re.fullmatch(r"9\.9\.9\.9,127\.0\.0\.1:\d+", seen["headers"]["x-forwarded-for"])
    assert seen["setting"] == "from the file"
    assert seen["main_thread"] is True


def test_a_sync_function_runs_in_a_thread(host: Running) -> None:
    assert host.ask("/see-in-a-thread").json["main_thread"] is False


def test_repeated_request_headers_are_joined(host: Running) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", host.port, timeout=10)
    connection.putrequest("GET", "/see/1")
    connection.putheader("X-Two", "a")
    connection.putheader("x-two", "b")
    connection.endheaders()
    seen = json.loads(connection.getresponse().read())
    connection.close()
    assert seen["headers"]["x-two"] == "a,b"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "/see/1", 404),
        ("HEAD", "/see/1", 404),
        ("GET", "/see/9223372036854775808", 404),
        ("GET", "/nothing", 404),
        ("GET", "/off", 404),
        ("GET", "/nothing/a%0Ab", 404),
        ("GET", "/see/1%00", 400),
        ("GET", "/admin/nothing", 404),
    ],
)
def test_what_no_function_serves(host: Running, method: str, path: str, status: int) -> None:
    answer = host.ask(path, method)
    assert (answer.status, answer.body) == (status, b"")


def test_the_first_function_by_name_wins(host: Running) -> None:
    assert host.ask("/overlap/1", "POST").text == "first"
    assert host.ask("/overlap/1", "GET").text == "second"


def test_catch_all_and_root(host: Running) -> None:
    assert host.ask("/assets/a/b%20c").text == "a/b c"
    assert host.ask("/assets/").text == "(none)"
    assert host.ask("/").text == "home"


def test_an_exception_is_500_with_an_empty_body_and_one_line(host: Running) -> None:
    answer = host.ask("/crash?code=hidden")
    assert (answer.status, answer.body) == (500, b"")
    line = host.event("function.failed", function="crash")
    assert "it crashed" in line["traceback"]
    assert "Traceback" in line["traceback"]


@pytest.mark.parametrize(
    ("what", "status", "body"),
    [("none", 500, b""), ("bytes", 500, b""), ("dict", 500, b""), ("text", 200, "é".encode())],
)
def test_what_a_function_may_return(host: Running, what: str, status: int, body: bytes) -> None:
    answer = host.ask(f"/returns/{what}")
    assert (answer.status, answer.body) == (status, body)
    if status == 200:
        assert answer.header("Content-Type") == "text/plain; charset=utf-8"


@pytest.mark.parametrize("path", ["/escapes/exit", "/escapes/cancel", "/runs-out"])
def test_a_function_cannot_end_the_host(host: Running, path: str) -> None:
    answer = host.ask(path)
    assert (answer.status, answer.body) == (500, b"")
    assert host.ask("/").text == "home"


@pytest.mark.parametrize(("which", "status"), [("name", 500), ("text", 500), ("tab", 200)])
def test_headers_that_kestrel_would_refuse(host: Running, which: str, status: int) -> None:
    assert host.ask(f"/bad-header/{which}").status == status
    told = "".join(line["error"] for line in host.events("function.failed"))
    assert "Paulo" not in told


def test_response_headers(host: Running) -> None:
    answer = host.ask("/headers")
    assert answer.status == 201
    assert answer.header("X-One") == "1"
    assert answer.header("X-Twice") == "last"
    assert answer.header("Content-Type") == "text/plain; charset=utf-8"
    cookies = [value for name, value in answer.headers if name.lower() == "set-cookie"]
    assert cookies == ["a=1; HttpOnly; Path=/", "b=2; Secure"]


def test_the_context(host: Running) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    name, invocation, trace, folder = host.ask("/context", headers={"traceparent": parent}).json
    assert (name, trace, folder) == ("context_of", parent, str(host.root))
    assert host.event("http.request", function="context_of")["invocation_id"] == invocation


def test_compressed_bodies_reach_the_function_as_sent(host: Running) -> None:
    sent = host.ask("/size", "POST", b"not gzip at all", {"Content-Encoding": "gzip"})
    assert (sent.status, sent.text) == (200, "15")
    answer = host.ask("/see/1", headers={"Accept-Encoding": "gzip"})
    assert answer.header("Content-Encoding") is None


def test_bodies_up_to_100_megabytes(host: Running) -> None:
    limit = 100 * 1024 * 1024
    assert host.ask("/size", "POST", bytes(limit)).text == str(limit)
    with socket.create_connection(("127.0.0.1", host.port), timeout=20) as client:
        head = f"POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: {limit + 1}\r\n\r\n"
        client.sendall(head.encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 413 ")


def test_one_line_per_request_without_the_query(host: Running) -> None:
    host.ask("/see/77?code=hidden&token=s3cret", headers={"X-Secret": "in-a-header"})
    line = host.event("http.request", path="/see/77")
    assert (line["function"], line["method"], line["status"]) == ("see", "GET", 200)
    assert line["ms"] >= 0
    assert line["operation_id"]
    written = "\n".join(host.lines)
    assert not re.search("hidden|s3cret|in-a-header", written)


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /see/1?code=hush-query SPOILT\r\n\r\n",
        b"GET /see/1 HTTP/1.1\r\nHost: x\r\nBad Name: hush-header\r\n\r\n",
        b"GET /see/1?x=hush" + b"h" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=["line", "header", "length"],
)
def test_what_is_no_http_is_one_line_without_its_text(host: Running, sent: bytes) -> None:
    before = len(host.events("http.malformed"))
    with socket.create_connection(("127.0.0.1", host.port), timeout=20) as client:
        client.sendall(sent)
        assert client.recv(1000).split()[1] == b"400"
    eventually(lambda: len(host.events("http.malformed")) == before + 1, "the line")
    lines = "".join(host.lines)
    assert "hush" not in lines
    assert "web_protocol.py" not in lines


def test_a_client_that_goes_away_is_no_error(host: Running) -> None:
    with socket.create_connection(("127.0.0.1", host.port), timeout=20) as client:
        client.sendall(b"POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: 300\r\n\r\nabc")
    host.ask("/see/4711")
    host.event("http.request", path="/see/4711")
    assert host.events("aiohttp.server") == []


def test_good_answers_of_assets_are_not_told(host: Running) -> None:
    host.ask("/assets/quiet")
    host.ask("/assets/loud", "DELETE")
    host.event("http.request", path="/assets/loud", status=404)
    assert not [line for line in host.events("http.request") if "quiet" in line["path"]]


def test_status(host: Running) -> None:
    answer = host.ask("/admin/host/status")
    assert (answer.status, answer.json) == (200, {"state": "Running"})


ALLOWED, OTHER = "http://good.example", "http://bad.example"


@pytest.fixture(scope="module")
def cors_host(tmp_path_factory: pytest.TempPathFactory) -> Any:
    section = {"CORS": f"http://x.example, {ALLOWED}/", "CORSCredentials": True}
    with Running(make_subject(tmp_path_factory.mktemp("cors"), Host=section)) as running:
        yield running


def test_cors(cors_host: Running) -> None:
    answer = cors_host.ask("/headers", headers={"Origin": ALLOWED})
    assert answer.header("Access-Control-Allow-Origin") == ALLOWED
    assert answer.header("Access-Control-Allow-Credentials") == "true"
    assert answer.header("Vary") == "Accept, Origin"
    other = cors_host.ask("/headers", headers={"Origin": OTHER})
    assert other.header("Access-Control-Allow-Origin") is None
    assert other.header("Vary") == "Accept"


def test_preflights_are_answered_by_the_host(cors_host: Running) -> None:
    asks = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "x-a"}
    answer = cors_host.ask("/see/1", "OPTIONS", headers={"Origin": ALLOWED, **asks})
    assert (answer.status, answer.body) == (204, b"")
    assert answer.header("Access-Control-Allow-Origin") == ALLOWED
    assert answer.header("Access-Control-Allow-Methods") == "PUT"
    assert answer.header("Access-Control-Allow-Headers") == "x-a"
    other = cors_host.ask("/see/1", "OPTIONS", headers={"Origin": OTHER, **asks})
    assert other.status == 204
    assert not [name for name, _ in other.headers if name.lower().startswith("access-control")]


def test_without_cors_functions_see_options(host: Running) -> None:
    asks = {"Origin": ALLOWED, "Access-Control-Request-Method": "PUT"}
    assert host.ask("/headers", "OPTIONS", headers=asks).status == 201


def test_the_homepage_where_no_function_serves_the_root(tmp_path: Any) -> None:
    values = {"AzureWebJobsDisableHomepage": "false", "AzureWebJobs.home.Disabled": "true"}
    root = make_subject(tmp_path, Values=values, Host={"CORS": "*", "CORSCredentials": True})
    with Running(root) as running:
        answer = running.ask("/", headers={"Origin": OTHER})
        assert (answer.status, answer.header("Content-Type")) == (200, "text/html; charset=utf-8")
        assert answer.header("Access-Control-Allow-Origin") == "*"
        assert answer.header("Access-Control-Allow-Credentials") is None


def test_function_keys(tmp_path: Any) -> None:
    with Running(make_subject(tmp_path), "--enable-auth") as running:
        file = running.state / "keys.json"
        eventually(lambda: running.events("host.started"), "the start")
        keys = json.loads(file.read_text())
        master, default = keys["masterKey"], keys["functionKeys"]["default"]
        assert file.stat().st_mode & 0o777 == 0o600

        def status(path: str, key: str | None = None) -> int:
            return running.ask(path, headers={"x-functions-key": key} if key else {}).status

        assert [status("/headers"), status("/keyed"), status("/admins")] == [201, 401, 401]
        assert [status("/keyed", default), status("/admins", default)] == [200, 401]
        assert [status("/keyed", master), status("/admins", master)] == [200, 200]
        assert [status("/keyed", "x"), status(f"/keyed?code={default}")] == [401, 200]
        assert status(f"/keyed?code={default}", "x") == 401  # the header goes before
        assert [status("/admin/host/status"), status("/admin/host/status", master)] == [401, 200]
        assert running.fire("tick").status == 401
        assert "Empty" not in running.ask("/keyed").text


def test_keys_are_not_checked_otherwise(host: Running) -> None:
    assert [host.ask("/keyed").status, host.ask("/admins").status] == [200, 200]
