"""What goes back: replies, problems, and the headers of every answer of ours."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import azure.functions as func
from pydantic import BaseModel

from shared.platform import logs
from shared.platform.i18n import language
from shared.platform.problems import Problem, busy, problem_body

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def hardened(headers: Mapping[str, str] = HEADERS) -> dict[str, str]:
    """`headers`, and HSTS (RFC 6797) where we are reached by https.

    Not from `Settings`: pages are served before those are read, and without them.
    """
    https = os.environ.get("SUROGA_PUBLIC_URL", "").startswith("https://")
    return {**headers, **({"Strict-Transport-Security": "max-age=31536000"} if https else {})}


EXPECTED = frozenset({"calendar_busy"})
"""A 503 that is no fault: many want the same, and some come back."""


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


def _as_problem(error: Exception) -> Problem:
    """Every exception has one meaning for the caller."""
    from shared.platform.tables import Conflict, StorageUnavailable

    match error:
        case Problem():
            return error
        case StorageUnavailable():
            return Problem(503, "storage_unavailable", headers={"Retry-After": "5"})
        case Conflict():
            return busy()
    return Problem(500, "internal_error")


def error_reply(error: Exception, req: func.HttpRequest, name: str, operation_id: str) -> Reply:
    """What `name` answers when it ends with an exception: a problem, or what it answered before."""
    from shared.platform.once import Replay

    if isinstance(error, Replay):
        return _unpack(error.answer)
    problem = _as_problem(error)
    if problem.code in EXPECTED:
        logs.event("http.busy", level=logging.WARNING, function=name, code=problem.code)
    elif problem.status >= 500:
        logs.exception("http.failed", error, function=name, status=problem.status)
    chosen = language(req.headers.get("accept-language"))
    headers = {
        "Content-Type": "application/problem+json",
        "Content-Language": chosen,
        "Vary": "Accept-Language",
        **problem.headers,
    }
    return Reply(problem.status, problem_body(problem, chosen, operation_id), headers)


def response(reply: Reply, headers: Mapping[str, str]) -> func.HttpResponse:
    """`headers` come beside the reply's own."""
    headers = {**hardened(), **headers, **reply.headers}
    media = headers.pop("Content-Type", "application/json")
    if isinstance(reply.body, bytes):
        body = reply.body
    elif reply.body is None:
        body = b""
    else:
        body = json.dumps(reply.body, default=_plain, ensure_ascii=False).encode()
    return func.HttpResponse(body, status_code=reply.status, headers=headers, mimetype=media)


def pack(reply: Reply) -> str:
    """A reply as text, for an idempotency key to repeat."""
    content = [reply.status, reply.body, dict(reply.headers)]
    return json.dumps(content, default=_plain, ensure_ascii=False)


def _unpack(text: str) -> Reply:
    status, body, headers = json.loads(text)
    return Reply(status, body, {**headers, "Idempotency-Replayed": "true"})


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_none=True)
    raise TypeError(f"{type(value).__name__} has no JSON form")
