"""Makes messages of events: short plain text, without secrets and without customers' names."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, cast, get_args

from shared.events.catalogue import DomainEvent
from shared.events.relay import PERSONAL
from shared.operators.models import Level, Notice
from shared.operators.texts import OVER, TEST, TEXTS, Text
from shared.platform import logs
from shared.platform.clock import parse
from shared.platform.i18n import Language, Message, Param, say

PRODUCT = "Suroga"

LONGEST_TITLE, LONGEST_VALUE, LONGEST_BODY, MOST_LINES = 120, 400, 6000, 100
"""Characters, and lines: a message fits the queue, whatever a report holds."""

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
        data["lasted"] = _lasted(data.get("seconds"))
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
    params = {key: _shown(value) for key, value in data.items() if _public(key)}
    title = text.title.text(language, dict.fromkeys(_names(text.title), UNKNOWN) | params)
    lines = [
        line.text(language, params)
        for line in text.lines
        if all(params.get(name) for name in _names(_in(line, language)))
    ]
    if text.plain:
        lines += islice(_plain(data, language), MOST_LINES)
    body = "\n".join([*lines, ""])[:LONGEST_BODY] + home
    return Notice(f"{PRODUCT}: {title}"[:LONGEST_TITLE], body, level)


def _in(line: Message, language: Language) -> Message:
    """In one language alone: the other one may have other placeholders."""
    one = say(line, language)
    return Message(one, one)


def _names(message: Message) -> set[str]:
    found = (string.Formatter().parse(text) for text in message)
    return {name for parts in found for _, name, _, _ in parts if name}


def _what(data: Mapping[str, Any], language: Language) -> str:
    kind, subject = str(data.get("kind", UNKNOWN)), str(data.get("subject", UNKNOWN))
    name = subject.partition("/")[2] or subject
    over = OVER.get(kind)
    return over.text(language, {"name": name}) if over else f"{kind} {name}"


def _lasted(seconds: object) -> timedelta | str:
    return timedelta(seconds=seconds) if isinstance(seconds, int) else ""


def _plain(data: Mapping[str, Any], language: Language, indent: str = "") -> Iterator[str]:
    """Every field on a line, what is within it below; an item of a list has a dash."""
    for key, value in data.items():
        if not _public(key):
            continue
        label = key.replace("_", " ")
        if isinstance(value, Mapping):
            yield f"{indent}{label}:"
            yield from _plain(value, language, indent + "  ")
        elif isinstance(value, list | tuple):
            yield f"{indent}{label}: {len(value)}"
            for item in value:
                yield f"{indent}- {_item(item, language)}"
        else:
            yield f"{indent}{label}: {say(_shown(value), language)}"


def _item(item: object, language: Language) -> str:
    if isinstance(item, Mapping):
        parts = ((key, v) for key, v in item.items() if _public(key))
        return ", ".join(f"{key} {say(_shown(v), language)}" for key, v in parts)
    return say(_shown(item), language)


def _public(key: str) -> bool:
    return key not in PERSONAL and not logs.is_secret(key)


def _shown(value: object) -> Param:
    """As people read it: one line, times as such, and no secret that an error has quoted."""
    if isinstance(value, datetime | timedelta):
        return value
    if isinstance(value, Mapping | list | tuple):
        return f"({len(value)})"
    # Cut after scrubbing, so that no half of a secret looks like none.
    text = " ".join(logs.scrub(str(value)[: 5 * LONGEST_VALUE]).split())[:LONGEST_VALUE]
    try:
        return parse(text).astimezone(UTC) if text[10:11] == "T" else text
    except (ValueError, OverflowError):
        return text
