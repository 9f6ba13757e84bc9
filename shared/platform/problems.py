"""Errors as the API answers them: problem details (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from shared.platform.i18n import MESSAGES, TITLES, Language, Message, Param, say

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field; `field` is a path like `start_time` or `rooms.0.name`."""

    field: str
    message: str | Message


class Problem(Exception):
    """A request that can't be served. `code` is a key of `i18n.MESSAGES`, stable for programs.

    `params` fill the message's placeholders; `extra` are members of the body (RFC 9457, 3.2).
    """

    def __init__(
        self,
        status: int,
        code: str,
        params: Mapping[str, Param] = _NOTHING,
        headers: Mapping[str, str] = _NOTHING,
        extra: Mapping[str, Any] = _NOTHING,
        errors: Sequence[FieldError] = (),
    ) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code
        self.params = params
        self.headers = headers
        self.extra = extra
        self.errors = errors


def problem_body(problem: Problem, language: Language, operation_id: str) -> dict[str, Any]:
    """The members of the application/problem+json document."""
    title = TITLES.get(problem.status)
    body: dict[str, Any] = {
        "type": f"urn:suroga:problem:{problem.code}",
        "title": title.text(language, {}) if title else HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": MESSAGES[problem.code].text(language, _params(problem, language)),
        "code": problem.code,
        "operation_id": operation_id,
    }
    if problem.errors:
        body["errors"] = [
            {"field": e.field, "message": say(e.message, language)} for e in problem.errors
        ]
    return {**problem.extra, **body}


def invalid(errors: Sequence[FieldError]) -> Problem:
    """400, with every bad field named and what is wrong with it."""
    return Problem(400, "invalid_request", errors=errors)


def _params(problem: Problem, language: Language) -> Mapping[str, Param]:
    """For `invalid_request` the fields, each with its reason; the first few say enough."""
    told = [f"{e.field} ({say(e.message, language)})" for e in problem.errors[:3]]
    more = ["…"] if len(problem.errors) > 3 else []
    return {"fields": ", ".join([*told, *more]), **problem.params}


def busy() -> Problem:
    """503: others change the same thing at the moment; nothing was done."""
    return Problem(503, "calendar_busy", headers={"Retry-After": "1"})
