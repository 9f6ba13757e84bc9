"""Makes messages of events: short plain text, without secrets and without customers' names."""

from __future__ import annotations

import string
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast, get_args

from shared.events.catalogue import DomainEvent
from shared.operators.models import Level, Notice
from shared.operators.texts import OVER, TEST, TEXTS, WORDS, Table, Text
from shared.platform import logs
from shared.platform.clock import parse
from shared.platform.i18n import Language, Message, Param, say

PRODUCT = "Suroga"

LONGEST_TITLE, LONGEST_VALUE, LONGEST_BODY, MOST_ROWS = 120, 400, 6000, 20
"""Characters, and rows of a table: a message fits the queue, whatever a report holds."""

MOST_SECONDS = 10**10
"""What a duration holds, with room."""

UNKNOWN = "?"


def message(event: DomainEvent, language: Language, home: str) -> Notice | None:
    """None for what is no operators' business. Whatever the data is, it raises nothing: an event
    that can't be told must not hold up the relay. `home` says which system it comes from."""
    text = TEXTS.get(event.type.value)
    if text is None:
        return None
    data = {**event.data}
    if event.type.value == "fleet.recovered":
        data["what"] = _what(data, language)
    return _notice(text, data, _level(event), language, home)


def trial_message(language: Language, home: str, now: datetime) -> Notice:
    return _notice(TEST, {"sent_at": now}, "info", language, home)


def _level(event: DomainEvent) -> Level:
    if event.type.value == "fleet.recovered":
        return "success"
    return cast(Level, event.severity) if event.severity in get_args(Level) else "info"


def _notice(
    text: Text, data: Mapping[str, Any], level: Level, language: Language, home: str
) -> Notice:
    flat = _flat(data)
    names = _names(say(text.title, language))
    title = text.title.text(language, dict.fromkeys(names, UNKNOWN) | _params(flat, names))
    lines = [*filter(None, (_filled(line, flat, language) for line in text.lines))]
    for table in text.tables:
        lines += _rows(table, flat.get(table.of), language)
    body = "\n".join([*lines, ""])[:LONGEST_BODY] + home
    return Notice(f"{PRODUCT}: {title}"[:LONGEST_TITLE], body, level)


def _what(data: Mapping[str, Any], language: Language) -> str:
    kind, subject = str(data.get("kind", UNKNOWN)), str(data.get("subject", UNKNOWN))
    name = subject.partition("/")[2] or subject
    over = OVER.get(kind)
    return over.text(language, {"name": name}) if over else f"{kind} {name}"


def _flat(data: Mapping[str, Any], outer: str = "") -> dict[str, Any]:
    """What is within another is named `outer_inner`; the outer one is there as a list of both."""
    found: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, Mapping):
            found[outer + key] = [{"item": k, "value": v} for k, v in value.items()]
            found |= _flat(value, f"{outer}{key}_")
        else:
            found[outer + key] = value
    return found


def _rows(table: Table, items: object, language: Language) -> Iterator[str]:
    listed = items if isinstance(items, list) else []
    rows = [item if isinstance(item, Mapping) else {"item": item} for item in listed]
    lines = [_filled(table.row, row, language) for row in rows[:MOST_ROWS]]
    if any(lines):
        yield say(table.heading, language)
        yield from filter(None, lines)
    if len(rows) > MOST_ROWS:
        yield f"(+ {len(rows) - MOST_ROWS})"


def _filled(line: Message, data: Mapping[str, Any], language: Language) -> str:
    """Empty when something is missing for it."""
    names = _names(say(line, language))
    params = _params(data, names)
    return line.text(language, params) if len(params) == len(names) else ""


def _names(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def _params(data: Mapping[str, Any], names: Collection[str]) -> dict[str, Param]:
    """Those of these names that are there."""
    there = {name: data[name] for name in names if data.get(name) not in (None, "")}
    return {
        name: _param(name, value)
        for name, value in there.items()
        if not isinstance(value, list | tuple | Mapping)
    }


def _param(key: str, value: object) -> Param:
    if key.endswith("seconds") and isinstance(value, int) and abs(value) < MOST_SECONDS:
        return timedelta(seconds=value)
    return WORDS.get(key, {}).get(str(value)) or _shown(value)


def _shown(value: object) -> Param:
    """As people read it: one line, times as such, and no secret that an error has quoted."""
    if isinstance(value, datetime | timedelta):
        return value
    # Cut after scrubbing, so that no half of a secret looks like none.
    text = " ".join(logs.scrub(str(value)[: 5 * LONGEST_VALUE]).split())[:LONGEST_VALUE]
    try:
        return parse(text).astimezone(UTC) if text[10:11] == "T" else text
    except (ValueError, OverflowError):
        return text
