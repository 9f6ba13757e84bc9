from __future__ import annotations

import ast
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.platform.i18n import MESSAGES, TITLES, Message, language
from shared.platform.problems import FieldError, Problem, problem_body

ROOT = Path(__file__).parents[3]


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("message", [*MESSAGES.values(), *TITLES.values()], ids=lambda m: m.en[:30])
def test_both_languages_say_the_same(message: Message) -> None:
    assert message.pt.strip()
    assert message.en.strip()
    assert message.pt != message.en
    assert placeholders(message.pt) == placeholders(message.en)
    assert all(name.isidentifier() for name in placeholders(message.pt))


@pytest.mark.parametrize(
    ("code", "params", "detail"),
    [
        ("unauthorized", {}, "Token em falta ou inválido: volte a entrar."),
        ("not_found", {}, "Não encontrado: verifique o endereço."),
        (
            "room_not_found",
            {"room_id": "12345"},
            "A sala 12345 não existe: escolha uma da lista de salas.",
        ),
        ("room_taken", {"room_id": "12345"}, "Sala 12345 já reservada no intervalo solicitado."),
        (
            "room_create_failed",
            {},
            "Erro ao criar sala no serviço de WebRTC. Tente novamente mais tarde.",
        ),
        (
            "new_room_create_failed",
            {},
            "Erro ao criar nova sala no serviço de WebRTC. Tente novamente mais tarde.",
        ),
        ("invalid_request", {"fields": "a, b"}, "Parâmetros ausentes ou inválidos: a, b."),
        ("too_early", {"opens_at": "09:50"}, "A sala abre às 09:50."),
    ],
)
def test_the_documents_texts(code: str, params: dict[str, str], detail: str) -> None:
    assert problem_body(Problem(400, code, params), "pt", "")["detail"] == detail


def codes_in(folder: Path) -> Iterator[tuple[str, str]]:
    """(place, code) of every Problem(…, "code") in the source."""
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Problem":
                arguments = node.args[1:2] + [k.value for k in node.keywords if k.arg == "code"]
                for inner in (inner for argument in arguments for inner in ast.walk(argument)):
                    if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                        yield f"{path.relative_to(ROOT)}:{node.lineno}", inner.value


def test_every_code_in_the_source_is_in_the_catalogue() -> None:
    found = [*codes_in(ROOT / "shared"), *codes_in(ROOT / "functions")]
    assert found
    assert [each for each in found if each[1] not in MESSAGES] == []


def test_the_body_has_the_members_of_rfc_9457() -> None:
    problem = Problem(
        409,
        "room_taken",
        {"room_id": "7"},
        headers={"Retry-After": "1"},
        extra={"room_id": 7, "status": "not this one"},
    )
    assert problem_body(problem, "en", "op-1") == {
        "type": "urn:suroga:problem:room_taken",
        "title": "Conflict",
        "status": 409,
        "detail": "Room 7 is already booked in that interval: choose another room or time.",
        "code": "room_taken",
        "operation_id": "op-1",
        "room_id": 7,
    }
    assert problem_body(problem, "pt", "op-1")["title"] == "Conflito"
    assert str(problem) == "409 room_taken"


def test_field_errors() -> None:
    errors = [FieldError("start_time", "should have an offset")]
    problem = Problem(400, "invalid_request", {"fields": "start_time"}, errors=errors)
    body = problem_body(problem, "en", "")
    assert body["errors"] == [{"field": "start_time", "message": "should have an offset"}]


def test_a_missing_parameter_is_no_second_error() -> None:
    body = problem_body(Problem(418, "room_taken"), "en", "")
    assert body["detail"].startswith("Room {room_id} is")
    assert body["title"] == "I'm a Teapot"


@pytest.mark.parametrize("value", ["{0.__class__}", "{room_id}", "%s"])
def test_parameters_are_not_templates(value: str) -> None:
    body = problem_body(Problem(404, "room_not_found", {"room_id": value}), "pt", "")
    assert body["detail"] == f"A sala {value} não existe: escolha uma da lista de salas."


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        *((None, "pt"), ("", "pt"), ("en", "en"), ("EN-us", "en"), ("pt-BR", "pt")),
        *(("fr", "pt"), ("*", "pt"), ("fr, en;q=0.1", "en"), ("en, pt", "en"), ("pt, en", "pt")),
        *(("pt;q=0.8, en;q=0.9", "en"), ("en;q=0.8, pt-PT;q=0.9", "pt"), ("en;q=0", "pt")),
        *(("pt;q=0, en;q=0.1", "en"), ("pt;q=0, *", "en"), ("en;q=0.5, *", "pt")),
        *(("en;q=high", "pt"), ("en;q=2", "pt"), ("en;q=nan", "pt"), (",;,=,", "pt")),
        *((" en ; q=0.9 , fr", "en"), ("en-GB,en;q=0.9,pt;q=0.8", "en")),
    ],
)
def test_language(header: str | None, expected: str) -> None:
    assert language(header) == expected
