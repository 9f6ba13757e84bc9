"""The app that the tests of the local host serve. It tells what it sees."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import azure.functions as func
from azure.functions.timer import TimerRequest

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
OUT = Path(os.environ.get("SUBJECT_OUT", "/tmp"))


def tell(name: str, what: Any) -> None:
    draft = OUT / f"{name}.draft"
    draft.write_text(json.dumps(what))
    draft.rename(OUT / name)


def seen(req: func.HttpRequest) -> func.HttpResponse:
    body = {
        "method": req.method,
        "url": req.url,
        "headers": dict(req.headers),
        "params": dict(req.params),
        "route": dict(req.route_params),
        "body": req.get_body().decode("latin-1"),
        "main_thread": threading.current_thread() is threading.main_thread(),
        "setting": os.environ.get("SUBJECT_SETTING"),
    }
    return func.HttpResponse(json.dumps(body), mimetype="application/json")


@app.route("see/{id:long}/{name=nobody}", methods=["GET", "POST"])
async def see(req: func.HttpRequest) -> func.HttpResponse:
    return seen(req)


@app.route("see-in-a-thread")
def see_in_a_thread(req: func.HttpRequest) -> func.HttpResponse:
    return seen(req)


@app.route("{ignored:maxlength(0)?}", methods=["GET"])
def home(req: func.HttpRequest) -> str:
    return "home"


@app.route("overlap/{x}")
def b_second(req: func.HttpRequest) -> str:
    return "second"


@app.route("overlap/{y}", methods=["POST"])
def A_first(req: func.HttpRequest) -> str:  # noqa: N802 - case makes no difference
    return "first"


@app.route("assets/{*path}", methods=["GET"])
def assets(req: func.HttpRequest) -> str:
    return str(req.route_params.get("path", "(none)"))


@app.route("size", methods=["POST"])
def size(req: func.HttpRequest) -> str:
    return str(len(req.get_body()))


@app.route("crash")
async def crash(req: func.HttpRequest) -> func.HttpResponse:
    raise ValueError("it crashed")


@app.route("returns/{what}")
async def returns(req: func.HttpRequest):  # type: ignore[no-untyped-def]
    return {"none": None, "bytes": b"x", "dict": {}, "text": "é"}[req.route_params["what"]]


@app.route("escapes/{what}")
async def escapes(req: func.HttpRequest) -> str:
    raise {"exit": SystemExit(3), "cancel": asyncio.CancelledError()}[req.route_params["what"]]


@app.route("runs-out")
def runs_out(req: func.HttpRequest) -> str:
    nothing: list[str] = []
    return next(iter(nothing))


@app.route("bad-header/{which}")
async def bad_header(req: func.HttpRequest) -> func.HttpResponse:
    headers = {"name": {"X Y": "v"}, "text": {"X-Name": "São Paulo"}, "tab": {"X-Tab": "a\tb"}}
    return func.HttpResponse("x", headers=headers[req.route_params["which"]])


@app.route("headers")
async def headers(req: func.HttpRequest) -> func.HttpResponse:
    response = func.HttpResponse("x", status_code=201, headers={"X-One": "1", "Vary": "Accept"})
    response.headers.add("X-Twice", "first")
    response.headers.add("X-Twice", "last")
    response.headers.add("Set-Cookie", "a=1; Path=/; HttpOnly")
    response.headers.add("Set-Cookie", "b=2; Secure")
    return response


@app.route("context")
async def context_of(req: func.HttpRequest, context: func.Context) -> str:
    seen = [context.function_name, context.invocation_id, context.trace_context.trace_parent]
    return json.dumps([*seen, context.function_directory])


@app.route("off")
def off(req: func.HttpRequest) -> str:
    return "on"


@app.route("keyed", auth_level=func.AuthLevel.FUNCTION)
def keyed(req: func.HttpRequest) -> str:
    return "open"


@app.route("admins", auth_level=func.AuthLevel.ADMIN)
def admins(req: func.HttpRequest) -> str:
    return "open"


@app.route("slow")
async def slow(req: func.HttpRequest) -> str:
    tell("slow", "began")
    await asyncio.sleep(0.5)
    return "done"


@app.route("stuck")
def stuck(req: func.HttpRequest) -> str:
    tell("stuck", "began")
    time.sleep(3600)
    return "never"


@app.timer_trigger("timer", "%SUBJECT_SCHEDULE%")
async def tick(timer: TimerRequest) -> None:
    tell("tick", {"past_due": timer.past_due, "status": timer.schedule_status})


@app.queue_trigger("msg", "subject", "SUBJECT_QUEUES")
def handle(msg: func.QueueMessage) -> None:
    body = msg.get_body().decode()
    if body == "fail":
        raise RuntimeError("it failed")
    inserted = msg.insertion_time.isoformat() if msg.insertion_time else None
    tell("handled", {"body": body, "id": msg.id, "count": msg.dequeue_count, "time": inserted})
