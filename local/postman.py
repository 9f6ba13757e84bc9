"""`python -m local.postman`: writes docs/postman.json from the OpenAPI document.

https://schema.postman.com/collection/json/v2.1.0/draft-07/docs/index.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent.parent / "docs" / "postman.json"
SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
METHODS = ("get", "post", "patch", "delete")
DAY = "day"
"""A variable: the day of the examples, which would be in the past for whoever imports the file."""

TOMORROW = [
    "// Whatever is booked should be in the future; `day` may be set by hand.",
    f"if (!pm.collectionVariables.get('{DAY}')) {{",
    f"  pm.variables.set('{DAY}', new Date(Date.now() + 864e5).toISOString().slice(0, 10));",
    "}",
]

REMEMBERED = {
    "access_token": "token",
    "room_id": "room_id",
    "booking_id": "booking_id",
    "series_id": "series_id",
    "invite_id": "invite_id",
    "key_id": "key_id",
}
"""What an answer tells, and the variable that keeps it: the next request asks for that thing."""

REMEMBER = [
    "// What was made is what the next requests are about.",
    "const type = pm.response.headers.get('Content-Type') || '';",
    "if (pm.request.method === 'POST' && pm.response.code < 300 && type.includes('json')) {",
    "  const made = pm.response.json();",
    f"  for (const [name, variable] of Object.entries({json.dumps(REMEMBERED)})) {{",
    "    if (made[name]) { pm.collectionVariables.set(variable, String(made[name])); }",
    "  }",
    "}",
]

Json = dict[str, Any]


def collection(document: Mapping[str, Any], day: str) -> Json:
    """The collection (v2.1) of an OpenAPI document whose examples are of `day`. Pure."""
    info = document["info"]
    folders = [
        {
            "name": tag["name"],
            "description": tag["description"],
            "item": list(_tagged(document, tag)),
        }
        for tag in document["tags"]
    ]
    made: Json = {
        "info": {
            "name": f"{info['title']} {info['version']}",
            "description": info["description"],
            "schema": SCHEMA,
        },
        "auth": {
            "type": "bearer",
            "bearer": [{"key": "token", "value": "{{token}}", "type": "string"}],
        },
        "variable": [
            {"key": "base_url", "value": "http://localhost:7071"},
            {"key": "token", "value": ""},
            {"key": DAY, "value": ""},
            *_ids(document),
        ],
        "event": [_script("prerequest", TOMORROW), _script("test", REMEMBER)],
        "item": folders,
    }
    text = json.dumps(made["item"], ensure_ascii=False).replace(day, "{{" + DAY + "}}")
    return {**made, "item": json.loads(text)}


def _script(moment: str, lines: list[str]) -> Json:
    return {"listen": moment, "script": {"type": "text/javascript", "exec": lines}}


def _ids(document: Mapping[str, Any]) -> list[Json]:
    """The examples of what stands in paths, until an answer brings a real one."""
    found = {
        parameter["name"]: str(parameter["example"])
        for item in document["paths"].values()
        for spec in item.values()
        for parameter in spec.get("parameters", [])
        if parameter["in"] == "path"
    }
    return [{"key": name, "value": value} for name, value in sorted(found.items())]


def _tagged(document: Mapping[str, Any], tag: Mapping[str, Any]) -> Iterator[Json]:
    for path, item in document["paths"].items():
        for method in METHODS:
            spec = item.get(method)
            if spec and tag["name"] in spec["tags"]:
                yield {"name": spec["summary"], "request": _request(method, path, spec)}


def _request(method: str, path: str, spec: Mapping[str, Any]) -> Json:
    parameters = spec.get("parameters", [])
    request: Json = {
        "method": method.upper(),
        "description": spec["description"],
        "header": [_pair(p) for p in parameters if p["in"] == "header"],
        "url": _url(path, parameters),
    }
    if not spec["security"]:
        request["auth"] = {"type": "noauth"}
    for media, body in spec.get("requestBody", {}).get("content", {}).items():
        request["header"] = [{"key": "Content-Type", "value": media}, *request["header"]]
        raw = json.dumps(body["example"], indent=2, ensure_ascii=False)
        request["body"] = {"mode": "raw", "raw": raw, "options": {"raw": {"language": "json"}}}
    return request


def _url(path: str, parameters: list[Json]) -> Json:
    steps = re.sub(r"{(\w+)}", r":\1", path).strip("/").split("/")
    query = [_pair(p) for p in parameters if p["in"] == "query"]
    sent = "&".join(f"{q['key']}={q['value']}" for q in query if not q.get("disabled"))
    raw = "/".join(["{{base_url}}", *steps]) + (f"?{sent}" if sent else "")
    url: Json = {"raw": raw, "host": ["{{base_url}}"], "path": steps}
    variables = [
        {**_pair(p), "value": "{{" + p["name"] + "}}"} for p in parameters if p["in"] == "path"
    ]
    return {**url, **_given("query", query), **_given("variable", variables)}


def _given(name: str, values: list[Json]) -> Json:
    return {name: values} if values else {}


def _pair(parameter: Json) -> Json:
    """What nobody has to send is there to be ticked."""
    value = parameter.get("example", *parameter["schema"].get("examples", [])[:1])
    pair = {
        "key": parameter["name"],
        "value": str(value),
        "description": parameter["description"],
    }
    return pair if parameter["required"] else {**pair, "disabled": True}


def text() -> str:
    """What the file holds."""
    import function_app
    from functions.door import OPERATIONS
    from functions.examples import DAY as EXAMPLE_DAY
    from functions.openapi import document

    assert function_app.app, "importing it registers the operations"  # noqa: S101
    made = collection(document(OPERATIONS), EXAMPLE_DAY.isoformat())
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    FILE.write_text(text())
    print(f"wrote {FILE.relative_to(FILE.parent.parent)}")


if __name__ == "__main__":
    main()
