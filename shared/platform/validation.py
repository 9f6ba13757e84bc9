"""What is wrong with a payload, in the languages we answer in: pydantic speaks only English."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from shared.platform.i18n import Message, Param
from shared.platform.problems import FieldError

# https://docs.pydantic.dev/latest/errors/validation_errors/
MESSAGES: Mapping[str, Message] = {
    "missing": Message("é obrigatório", "is required"),
    "extra_forbidden": Message("não é um campo conhecido", "is not a field we know"),
    "int_type": Message("deve ser um número inteiro", "should be an integer"),
    "int_parsing": Message("deve ser um número inteiro", "should be an integer"),
    "int_from_float": Message("deve ser um número inteiro", "should be an integer"),
    "string_type": Message("deve ser texto", "should be text"),
    "bool_type": Message("deve ser true ou false", "should be true or false"),
    "bool_parsing": Message("deve ser true ou false", "should be true or false"),
    "dict_type": Message("deve ser um objeto", "should be an object"),
    "model_type": Message("deve ser um objeto", "should be an object"),
    "list_type": Message("deve ser uma lista", "should be a list"),
    "tuple_type": Message("deve ser uma lista", "should be a list"),
    "greater_than_equal": Message("deve ser {ge} ou mais", "should be {ge} or more"),
    "less_than_equal": Message("deve ser {le} ou menos", "should be {le} or less"),
    "less_than": Message("deve ser anterior a {lt}", "should be before {lt}"),
    "string_too_short": Message(
        "deve ter pelo menos {min_length} caracteres",
        "should have at least {min_length} characters",
    ),
    "string_too_long": Message(
        "deve ter no máximo {max_length} caracteres", "should have at most {max_length} characters"
    ),
    "too_long": Message(
        "deve ter no máximo {max_length} elementos", "should have at most {max_length} items"
    ),
    "too_short": Message(
        "deve ter pelo menos {min_length} elementos", "should have at least {min_length} items"
    ),
    "string_pattern_mismatch": Message(
        "tem caracteres ou uma forma que não são aceites",
        "has characters or a form that are not accepted",
    ),
    "literal_error": Message("deve ser {expected}", "should be {expected}"),
    "timezone_aware": Message(
        "deve ter o desvio horário, como 2026-06-20T10:00:00Z",
        "should have its offset, like 2026-06-20T10:00:00Z",
    ),
}

EMPTY = Message("não pode estar vazio", "should not be empty")

OURS: Mapping[str, Message] = {
    english: Message(portuguese, english)
    for english, portuguese in {
        "should be a month like 2026-10": "deve ser um mês como 2026-10",
        "should be an address like ana@example.org": "deve ser um endereço como ana@example.org",
        "name or email should be given": "precisa de um nome ou de um e-mail",
        "should have at most 254 bytes": "deve ter no máximo 254 bytes",
        "should be at most 20 levels deep": "deve ter no máximo 20 níveis",
        "should have at most 16384 bytes as JSON": "deve ter no máximo 16384 bytes em JSON",
        "should be a time between the years 1900 and 9998": "deve ficar entre os anos 1900 e 9998",
        "until or minutes should be given": "precisa de until ou de minutes",
        "until or minutes should be given, not both": "deve ter until ou minutes, não os dois",
    }.items()
}
"""What the validators of our payloads say, by their English."""

MOMENT = Message(
    "deve ser uma data e hora RFC 3339, como 2026-06-20T10:00:00Z",
    "should be an RFC 3339 date and time, like 2026-06-20T10:00:00Z",
)
DAY = Message("deve ser uma data, como 2026-06-20", "should be a date, like 2026-06-20")


def field_errors(error: ValidationError) -> list[FieldError]:
    """Each bad field by its path, like `guests.0.email`."""
    found = error.errors(include_url=False, include_input=False)
    return [FieldError(_path(each["loc"]), _message(each)) for each in found]


def _path(loc: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in loc) or "body"


def _message(error: Mapping[str, Any]) -> str | Message:
    kind, context = str(error["type"]), error.get("ctx", {})
    if kind.startswith("datetime"):
        return MOMENT
    if kind.startswith("date_"):
        return DAY
    known = MESSAGES.get(kind)
    if known is None:  # of our own validators, or a rare one
        message = str(error["msg"]).removeprefix("Value error, ")
        return OURS.get(message, message)
    if context.get("min_length") == 1:
        return EMPTY
    english: dict[str, Param] = {name: str(value) for name, value in context.items()}
    portuguese: dict[str, Param] = {
        name: str(value).replace(" or ", " ou ") for name, value in context.items()
    }
    return Message(known.text("pt", portuguese), known.text("en", english))
