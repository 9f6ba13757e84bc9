"""The frame of every HTTP operation: caller, body, reply, problems, and what OpenAPI says of it.

A handler gets a `Call` and returns a `Reply`; it never sees the request or an exception's mapping.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import azure.functions as func
from pydantic import ValidationError

from functions.answers import Reply as Reply  # handlers need this module alone
from functions.answers import error_reply, pack, response
from shared.platform import logs
from shared.platform.i18n import Language, Message, language
from shared.platform.payload import MAX_SAFE_INTEGER, Payload
from shared.platform.problems import FieldError, Problem, invalid
from shared.platform.validation import field_errors

if TYPE_CHECKING:
    from shared.bootstrap import Services
    from shared.platform.auth import Caller
    from shared.platform.once import Once
    from shared.platform.throttle import Visit

B = TypeVar("B", bound=Payload | None)
M = TypeVar("M", bound=Payload)
T = TypeVar("T")

CUSTOMERS = frozenset({"user", "admin"})
"""The roles of those who book; an operator runs the platform and is nobody's customer."""

KEY_HEADER = "Idempotency-Key"
KEY_FORM = Message(
    "deve ter 1 a 255 caracteres ASCII visíveis", "should have 1 to 255 visible ASCII characters"
)

Problems = Mapping[int, tuple[str, ...]]
"""Codes of i18n by their status; a status without codes has the body of the success."""

NO_PROBLEMS: Problems = MappingProxyType({})

MAX_BODY = 64 * 1024
"""Bytes. The largest body of ours is a batch of Janus events, which has its own limit."""


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
    problems: Problems
    scope: str
    keyed: bool
    throttled: bool
    any_role: bool
    media: tuple[str, ...]


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
        return _address(self.request)

    @property
    def language(self) -> Language:
        """In which to answer."""
        return language(self.request.headers.get("accept-language"))

    def once(self, answer: Callable[[T], Reply]) -> Once[T] | None:
        """The request's Idempotency-Key, when it has one; `answer` says what a replay repeats."""
        key = self.request.headers.get(KEY_HEADER)
        if key is None:
            return None
        if not re.fullmatch(r"[\x21-\x7e]{1,255}", key):
            raise invalid([FieldError(KEY_HEADER, KEY_FORM)])
        path = self.request.url.split("?", 1)[0].split("://", 1)[-1].partition("/")[2]
        body = self.body.model_dump(mode="json") if isinstance(self.body, Payload) else None
        request = json.dumps([path.rstrip("/").lower(), body], sort_keys=True)
        return self.services.keys.once(self.caller, key, request, lambda thing: pack(answer(thing)))

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


def _address(req: func.HttpRequest) -> str:
    """The client's address as the platform's front end saw it: the last hop it added."""
    hops: str = req.headers.get("x-forwarded-for", "")
    return hops.split(",")[-1].strip()


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
    problems: Problems = NO_PROBLEMS,
    scope: str = "",
    keyed: bool = False,
    throttled: bool = True,
    any_role: bool = False,
    media: tuple[str, ...] = (),
) -> Callable[[Handler[B]], Handler[B]]:
    """Registers the handler as one Azure function, named like it, and as an operation.

    `problems`: what it refuses besides what all of its kind do (`functions/refusals.py`).
    `scope`: what an API key must be allowed to do; without one no API key may. `keyed`: takes an
    Idempotency-Key (`Call.once`). `throttled`: rate limits hold; not for what machines and probes
    call. `media`: the types of an answer that is a file and no JSON.
    """

    def register(handler: Handler[B]) -> Handler[B]:
        described = Operation(
            name=handler.__name__,
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
            throttled=throttled,
            any_role=any_role,
            media=media,
        )
        run = _function(handler, described)
        blueprint.function_name(described.name)(
            blueprint.route(route, methods=[method], auth_level=func.AuthLevel.ANONYMOUS)(run)
        )
        OPERATIONS.append(described)
        return handler

    return register


def _function(handler: Handler[Any], op: Operation) -> Function:
    """What the worker calls: every exception of the handler becomes an answer here."""

    @functools.wraps(handler)
    async def run(req: func.HttpRequest) -> func.HttpResponse:
        operation_id = logs.new_operation(
            req.headers.get("x-request-id") or req.headers.get("traceparent")
        )
        visit: Visit | None = None
        try:
            from shared.bootstrap import services

            everything = services()
            visit = everything.throttle.visit(_address(req)) if op.throttled else None
            reply = await handler(await _call(req, op, everything, visit))
            return response(reply, _beside(operation_id, visit))
        except Exception as error:
            reply = error_reply(error, req, op.name, operation_id)
            if visit and reply.status == 401:
                await visit.deny()
            return response(reply, _beside(operation_id, visit))

    run.__annotations__ = {"req": func.HttpRequest, "return": func.HttpResponse}
    del run.__wrapped__  # the worker would look through it, and see a handler's parameters
    return run


def _beside(operation_id: str, visit: Visit | None) -> dict[str, str]:
    return {"X-Operation-Id": operation_id, **(visit.headers if visit else {})}


async def _call(
    req: func.HttpRequest, op: Operation, everything: Services, visit: Visit | None
) -> Call[Any]:
    """The address is counted before the work of checking a token, the caller after."""
    if visit:
        await visit.arrive()
    caller = None
    if op.signed_in:
        caller = await everything.verifier.verify(req.headers.get("authorization"))
        if visit:
            await visit.meet(caller)
        if not (op.any_role or caller.roles & CUSTOMERS):
            raise Problem(403, "role_required")
        _check_scope(caller, op.scope)
    return Call(req, everything, _body(req, op.body) if op.body else None, caller)


def _check_scope(caller: Caller, scope: str) -> None:
    if caller.scopes is None:
        return
    if not scope:
        raise Problem(403, "person_only")
    if scope not in caller.scopes:
        raise Problem(403, "insufficient_scope", {"scope": scope})


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
        raise invalid(field_errors(error)) from error
