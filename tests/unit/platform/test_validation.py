"""What is wrong with a payload, in both languages, and nothing of what was sent in it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from functions.bookings import BookingQuery
from shared.bookings.models import RoomCreate
from shared.bookings.payloads import BookingCreate
from shared.platform.i18n import Message, say
from shared.platform.payload import Payload
from shared.platform.problems import invalid, problem_body
from shared.platform.validation import field_errors

GOOD = {"start_time": "2026-06-11T10:00:00Z", "end_time": "2026-06-11T11:00:00Z"}


def wrong(model: type[Payload], value: Any) -> list[tuple[str, str, str]]:
    with pytest.raises(ValidationError) as error:
        model.model_validate(value)
    errors = field_errors(error.value)
    return [(e.field, say(e.message, "pt"), say(e.message, "en")) for e in errors]


@pytest.mark.parametrize(
    ("model", "value", "field", "pt", "en"),
    [
        (BookingCreate, {"end_time": GOOD["end_time"]}, "start_time", "obrigatório", "required"),
        (BookingCreate, {**GOOD, "start": 1}, "start", "não é um campo", "not a field"),
        (BookingCreate, {**GOOD, "start_time": "soon"}, "start_time", "RFC 3339", "RFC 3339"),
        (BookingCreate, {**GOOD, "start_time": "2026-06-11T10:00:00"}, "start_time",
         "desvio horário", "offset"),
        (BookingCreate, {**GOOD, "start_time": 1781172000}, "start_time", "RFC 3339", "RFC 3339"),
        (BookingCreate, {**GOOD, "start_time": "1781172000"}, "start_time", "RFC 3339", "RFC 3339"),
        (BookingQuery, {"date": "20624"}, "date", "2026-06-20", "2026-06-20"),
        (BookingQuery, {"date": "2026-06-20T00:00:00Z"}, "date", "2026-06-20", "2026-06-20"),
        (BookingCreate, {**GOOD, "room_id": "7"}, "room_id", "inteiro", "integer"),
        (BookingCreate, {**GOOD, "room_id": 0}, "room_id", "1 ou mais", "1 or more"),
        (BookingCreate, {**GOOD, "guests": [{"email": "x"}]}, "guests.0.email", "ana@example.org",
         "ana@example.org"),
        (BookingCreate, {**GOOD, "guests": [{}]}, "guests.0", "nome ou de um e-mail",
         "name or email"),
        (RoomCreate, {"max_participants": 17}, "max_participants", "16 ou menos", "16 or less"),
        (RoomCreate, {"optional_name": "x" * 201}, "optional_name", "200", "200"),
        (RoomCreate, [], "body", "objeto", "object"),
    ],
)  # fmt: skip
def test_each_in_words(model: type[Payload], value: Any, field: str, pt: str, en: str) -> None:
    ((where, portuguese, english),) = wrong(model, value)
    assert where == field
    assert pt in portuguese
    assert en in english


def test_the_sentence_names_the_fields_and_why() -> None:
    errors = [e for f in "abcd" for e in field_errors(_missing(f))]
    body = problem_body(invalid(errors), "pt", "op")
    assert body["detail"].endswith("a (é obrigatório), b (é obrigatório), c (é obrigatório), ….")
    assert [e["field"] for e in body["errors"]] == ["a", "b", "c", "d"]


def _missing(name: str) -> ValidationError:
    from pydantic import create_model

    with pytest.raises(ValidationError) as error:
        create_model("M", **{name: (int, ...)})()  # type: ignore[call-overload]
    return error.value


def test_braces_that_somebody_sends_are_no_placeholders() -> None:
    assert say(Message("{x", "}{0}"), "en") == "}{0}"


@pytest.mark.parametrize(
    ("value", "pt", "en"),
    [
        (timedelta(hours=1), "1 h", "1 h"),
        (timedelta(minutes=90), "1 h 30 min", "1 h 30 min"),
        (timedelta(days=1), "1 dia", "1 day"),
        (timedelta(days=366, seconds=5), "366 dias 5 s", "366 days 5 s"),
        (timedelta(0), "0 s", "0 s"),
        (datetime(2026, 6, 20, 10, tzinfo=UTC), "2026-06-20 10:00 UTC", "2026-06-20 10:00 UTC"),
        ("as it is", "as it is", "as it is"),
    ],
)
def test_as_people_write_it(value: Any, pt: str, en: str) -> None:
    assert (say(value, "pt"), say(value, "en")) == (pt, en)
