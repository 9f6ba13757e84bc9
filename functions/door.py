"""The frame of every HTTP operation: caller, body, reply, problems, and what OpenAPI says of it.

A handler gets a `Call` and returns a `Reply`; it never sees the request or an exception's mapping.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import azure.functions as func
from pydantic import BaseModel, ValidationError

from shared.platform import logs
from shared.platform.i18n import language
from shared.platform.once import Once, Replay
from shared.platform.payload import MAX_SAFE_INTEGER, Payload
from shared.platform.problems import FieldError, Problem, busy, invalid, problem_body
from shared.platform.tables import Conflict, StorageUnavailable

if TYPE_CHECKING:
    from shared.bootstrap import Services
    from shared.platform.auth import Caller

B = TypeVar("B", bound=Payload | None)
M = TypeVar("M", bound=Payload)
T = TypeVar("T")

KEY_HEADER = "Idempotency-Key"

MAX_BODY = 64 * 1024
"""Bytes. The largest body of ours is a batch of Janus events, which has its own limit."""

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Operation:
    """What the OpenAPI document needs to know beyond the function's binding."""

    name: str
    method: str
    route: str
    summary: str
    tag: str
    status: int
    answer: Any
    body: type[Any] | None
    query: type[Payload] | None
    signed_in: bool
    problems: tuple[int, ...]
    scope: str
    keyed: bool


OPERATIONS: list[Operation] = []


@dataclass(frozen=True)
class Call(Generic[B]):
    """One request. `caller` raises Problem 401 when the operation needs nobody signed in."""

    request: func.HttpRequest
    services: Services
    body: B
    _caller: Caller | None = None

    @property
    def caller(self) -> Caller:
        if self._caller is None:
            raise Problem(401, "unauthorized")
        return self._caller

    @property
    def address(self) -> str:
        """The client's address as the platform's front end saw it: the last hop it added."""
        hops: str = self.request.headers.get("x-forwarded-for", "")
        return hops.split(",")[-1].strip()

    def once(self, answer: Callable[[T], Reply]) -> Once[T] | None:
        """The request's Idempotency-Key, when it has one; `answer` says what a replay repeats."""
        key = self.request.headers.get(KEY_HEADER)
        if key is None:
            return None
        if not re.fullmatch(r"[\x21-\x7e]{1,255}", key):
            raise invalid([FieldError(KEY_HEADER, "1 to 255 visible ASCII characters")])
        path = self.request.url.split("?", 1)[0].split("://", 1)[-1].partition("/")[2]
        body = self.body.model_dump(mode="json") if isinstance(self.body, Payload) else None
        request = json.dumps([path.rstrip("/").lower(), body], sort_keys=True)
        return self.services.keys.once(
            self.caller, key, request, lambda thing: _pack(answer(thing))
        )

    def id(self, name: str) -> int:
        """An id from the path; one that no JSON number can hold names nothing."""
        number = int(self.request.route_params[name])
        if not 0 < number <= MAX_SAFE_INTEGER:
            raise Problem(404, "not_found")
        return number

    def query(self, model: type[M]) -> M:
        """The query string, without the platform's own `code`."""
        values = {k: v for k, v in self.request.params.items() if k != "code"}
        return _validated(model, values)


Handler = Callable[[Call[B]], Awaitable[Reply]]
Function = Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]


def operation(
    blueprint: func.Blueprint,
    method: str,
    route: str,
    *,
    summary: str,
    tag: str,
    status: int = 200,
    answer: Any = None,
    body: type[B] | None = None,
    query: type[Payload] | None = None,
    signed_in: bool = True,
    problems: tuple[int, ...] = (),
    scope: str = "",
    keyed: bool = False,
) -> Callable[[Handler[B]], Handler[B]]:
    """Registers the handler as one Azure function, named like it, and as an operation.

    `scope`: what an API key must be allowed to do; without one no API key may. `keyed`: takes an
    Idempotency-Key (`Call.once`).
    """

    def register(handler: Handler[B]) -> Handler[B]:
        name = handler.__name__

        run = _function(handler, body, signed_in)
        blueprint.function_name(name)(
            blueprint.route(route, methods=[method], auth_level=func.AuthLevel.ANONYMOUS)(run)
        )
        OPERATIONS.append(
            Operation(
                name=name,
                method=method,
                route=route,
                summary=summary,
                tag=tag,
                status=status,
                answer=answer,
                body=body,
                query=query,
                signed_in=signed_in,
                problems=problems,
                scope=scope,
                keyed=keyed,
            )
        )
        return handler

    return register


def _function(handler: Handler[B], body: type[B] | None, signed_in: bool) -> Function:
    """What the worker calls: every exception of the handler becomes an answer here."""

    @functools.wraps(handler)
    async def run(req: func.HttpRequest) -> func.HttpResponse:
        operation_id = logs.new_operation(
            req.headers.get("x-request-id") or req.headers.get("traceparent")
        )
        try:
            return _response(await handler(await _call(req, body, signed_in)), operation_id)
        except Replay as replay:
            return _response(_unpack(replay.answer), operation_id)
        except Exception as error:
            reply = _problem_reply(error, req, handler.__name__, operation_id)
            return _response(reply, operation_id)

    run.__annotations__ = {"req": func.HttpRequest, "return": func.HttpResponse}
    del run.__wrapped__  # the worker would look through it, and see a handler's parameters
    return run


async def _call(req: func.HttpRequest, body: type[B] | None, signed_in: bool) -> Call[B]:
    from shared.bootstrap import services

    everything = services()
    header = req.headers.get("authorization")
    caller = await everything.verifier.verify(header) if signed_in else None
    parsed: Any = _body(req, body) if body else None
    return Call(req, everything, parsed, caller)


def _body(req: func.HttpRequest, model: type[Any]) -> Any:
    raw = req.get_body()
    if len(raw) > MAX_BODY:
        raise Problem(413, "body_too_large", {"limit": str(MAX_BODY)})
    media = req.headers.get("content-type", "").split(";")[0].strip().lower()
    if raw and media != "application/json":
        raise Problem(415, "unsupported_media")
    try:
        value = json.loads(raw or b"{}")
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        raise Problem(400, "invalid_json") from error
    return _validated(model, value)


def _validated(model: type[M], value: Any) -> M:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        errors = [
            FieldError(".".join(str(part) for part in e["loc"]) or "body", e["msg"])
            for e in error.errors(include_url=False, include_input=False, include_context=False)
        ]
        raise invalid(errors) from error


def as_problem(error: Exception) -> Problem:
    """Every exception has one meaning for the caller."""
    match error:
        case Problem():
            return error
        case StorageUnavailable():
            return Problem(503, "storage_unavailable", headers={"Retry-After": "5"})
        case Conflict():
            return busy()
    return Problem(500, "internal_error")


def _problem_reply(error: Exception, req: func.HttpRequest, name: str, operation_id: str) -> Reply:
    problem = as_problem(error)
    if problem.status >= 500:
        logs.exception("http.failed", error, function=name, status=problem.status)
    chosen = language(req.headers.get("accept-language"))
    headers = {
        "Content-Type": "application/problem+json",
        "Content-Language": chosen,
        "Vary": "Accept-Language",
        **problem.headers,
    }
    return Reply(problem.status, problem_body(problem, chosen, operation_id), headers)


def _response(reply: Reply, operation_id: str) -> func.HttpResponse:
    headers = {**HEADERS, "X-Operation-Id": operation_id, **reply.headers}
    media = headers.pop("Content-Type", "application/json")
    if isinstance(reply.body, bytes):
        body = reply.body
    elif reply.body is None:
        body = b""
    else:
        body = json.dumps(reply.body, default=_plain, ensure_ascii=False).encode()
    return func.HttpResponse(body, status_code=reply.status, headers=headers, mimetype=media)


def _pack(reply: Reply) -> str:
    """A reply as text, for an idempotency key to repeat."""
    return json.dumps([reply.status, reply.body, dict(reply.headers)], default=_plain)


def _unpack(text: str) -> Reply:
    status, body, headers = json.loads(text)
    return Reply(status, body, {**headers, "Idempotency-Replayed": "true"})


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_none=True)
    raise TypeError(f"{type(value).__name__} has no JSON form")
