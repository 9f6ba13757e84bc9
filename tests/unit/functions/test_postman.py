"""docs/postman.json: generated, current, and what Postman imports."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import function_app
from functions.door import OPERATIONS
from functions.examples import DAY
from functions.openapi import document
from local.postman import FILE, REMEMBERED, SCHEMA, collection, text

assert function_app.app, "importing it registers the operations"
DOCUMENT = document(OPERATIONS)
MADE = collection(DOCUMENT, DAY.isoformat())


def requests() -> Iterator[dict[str, Any]]:
    for folder in MADE["item"]:
        yield from (item["request"] for item in folder["item"])


def find(method: str, raw: str) -> dict[str, Any]:
    (found,) = (
        r for r in requests() if r["method"] == method and r["url"]["raw"].partition("?")[0] == raw
    )
    return found


def test_the_file_is_what_the_generator_gives() -> None:
    current = FILE.read_text() if FILE.exists() else ""
    assert current == text(), "refresh it: .venv/bin/python -m local.postman"


def test_it_is_a_collection_with_a_folder_for_each_tag() -> None:
    assert MADE["info"]["schema"] == SCHEMA
    assert [folder["name"] for folder in MADE["item"]] == [t["name"] for t in DOCUMENT["tags"]]
    assert all(folder["item"] for folder in MADE["item"])
    assert len(list(requests())) == len(OPERATIONS)
    ids = {"room_id", "booking_id", "series_id", "invite_id", "key_id", "vm"}
    assert {v["key"] for v in MADE["variable"]} == {"base_url", "token", "day"} | ids
    assert MADE["auth"]["bearer"][0]["value"] == "{{token}}"


def test_paths_have_variables_with_values() -> None:
    url = find("GET", "{{base_url}}/api/v1/bookings/:booking_id/invites/:invite_id/qr")["url"]
    assert url["path"][-4:] == [":booking_id", "invites", ":invite_id", "qr"]
    values = {v["key"]: v["value"] for v in url["variable"]}
    assert values == {"booking_id": "{{booking_id}}", "invite_id": "{{invite_id}}"}
    defaults = {v["key"]: v["value"] for v in MADE["variable"]}
    assert defaults["booking_id"].isdigit()


def test_what_an_answer_makes_is_what_the_next_requests_are_about() -> None:
    (script,) = (e["script"] for e in MADE["event"] if e["listen"] == "test")
    lines = "\n".join(script["exec"])
    for name, variable in REMEMBERED.items():
        assert f'"{name}": "{variable}"' in lines
    schemas = json.dumps(DOCUMENT["components"]["schemas"])
    assert all(f'"{name}"' in schemas for name in REMEMBERED)
    assert set(REMEMBERED.values()) <= {v["key"] for v in MADE["variable"]}


def test_what_is_optional_is_switched_off_and_the_rest_is_sent() -> None:
    query = find("GET", "{{base_url}}/api/v1/rooms")["url"]["query"]
    assert {q["key"] for q in query} >= {"available", "start_time", "limit", "after"}
    assert all(q["disabled"] and q["value"] for q in query)
    url = find("GET", "{{base_url}}/api/v1/rooms/availability")["url"]
    sent = {q["key"]: q["value"] for q in url["query"] if not q.get("disabled")}
    assert sent.keys() == {"start_time", "end_time"}
    assert url["raw"].endswith("?" + "&".join(f"{k}={v}" for k, v in sent.items()))


def test_bodies_are_the_examples_of_a_day_to_come() -> None:
    request = find("POST", "{{base_url}}/api/v1/bookings")
    body = json.loads(request["body"]["raw"])
    assert body["start_time"] == "{{day}}T10:00:00Z"
    assert {"key": "Content-Type", "value": "application/json"} in request["header"]
    (key,) = (h for h in request["header"] if h["key"] == "Idempotency-Key")
    assert key["disabled"]
    assert DAY.isoformat() not in json.dumps([r.get("body") for r in requests()])
    script = "".join(MADE["event"][0]["script"]["exec"])
    assert re.search(r"pm\.variables\.set\('day', new Date\(", script)


def test_who_needs_no_token_sends_none() -> None:
    assert find("POST", "{{base_url}}/api/v1/auth/token")["auth"] == {"type": "noauth"}
    assert "auth" not in find("POST", "{{base_url}}/api/v1/rooms")
