"""Examples of problems, made of the very texts that are answered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from functions.door import KEY_HEADER, Operation
from functions.examples import MACHINE, OPERATION_ID, ROOM, Examples
from shared.platform.i18n import Message, Param
from shared.platform.problems import FieldError, Problem, problem_body
from shared.platform.validation import MESSAGES as INVALID


def problem_example(op: Operation, status: int, code: str, examples: Examples) -> dict[str, Any]:
    opens, free = examples.at("09:50"), examples.at("12:00")
    params: Mapping[str, Param] = {
        "room_id": str(ROOM),
        "notice": timedelta(hours=1),
        "free_until": free,
        "opens_at": opens,
        "limit": "20",
        "seconds": "12",
        "scope": op.scope,
        "age": timedelta(minutes=15),
        "vm": MACHINE,
        "reason": "a booking needs a machine, or will need one soon",
    }
    extra = {
        "too_early": {"opens_at": opens},
        "extend_taken": {"free_until": free},
        "room_starting": {"state": "starting"},
    }
    errors = [_wrong(op)] if code == "invalid_request" else []
    problem = Problem(status, code, params, extra=extra.get(code, {}), errors=errors)
    return problem_body(problem, "en", OPERATION_ID)


def _wrong(op: Operation) -> FieldError:
    """What a caller of this operation is likely to get wrong."""
    model = op.body or op.query
    fields = model.model_fields if model else {}
    if {"start_time", "end_time"} <= fields.keys():
        late = Message("deve ser depois de start_time", "must be after start_time")
        return FieldError("end_time", late)
    required = next((name for name, field in fields.items() if field.is_required()), None)
    if required:
        return FieldError(required, INVALID["missing"])
    unknown = INVALID["extra_forbidden"]
    return FieldError("colour", unknown) if fields else FieldError(KEY_HEADER, INVALID["missing"])
