"""Makes messages of events: short plain text, without secrets and without customers' names."""

from __future__ import annotations

import string
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast, get_args
from zoneinfo import ZoneInfo

from shared.events.catalogue import DomainEvent
from shared.operators.models import Level, Notice
from shared.operators.reasons import in_portuguese
from shared.operators.texts import OVER, QUIET, TEST, TEXTS, WORDS, Table, Text
from shared.platform import logs
from shared.platform.clock import parse
from shared.platform.i18n import Language, Message, Param, say

PRODUCT = "Suroga"

LONGEST_TITLE, LONGEST_VALUE, LONGEST_BODY, MOST_ROWS = 120, 400, 6000, 20
"""Characters, and rows of a table: a message fits the queue, whatever a report holds."""

MOST_SECONDS = 10**10
"""What a duration holds, with room."""

UNKNOWN = "?"


@dataclass(frozen=True, slots=True)
class Reader:
    """Whom a message is for. `home` says which system it comes from; times are those of `zone`, to
    the minute or to the second."""

    language: Language
    home: str
    zone: ZoneInfo
    seconds: bool = False

    def time(self, moment: datetime) -> str:
        local = moment.astimezone(self.zone)
        name = local.tzname() or ""
        # Zones without an abbreviation are called by their offset: `-03`.
        zone = name if name[:1].isalpha() else f"UTC{name}"
        return local.strftime(f"%Y-%m-%d %H:%M{':%S' if self.seconds else ''} ") + zone


def message(event: DomainEvent, reader: Reader) -> Notice | None:
    """None for what is no operators' business. Whatever the data is, it raises nothing: an event
    that can't be told must not hold up the relay."""
    kind = event.type.value
    text = TEXTS.get(kind)
    if text is None or (kind in QUIET and event.severity == "info"):
        return None
    data = {**event.data}
    if kind == "fleet.recovered":
        data["what"] = _what(data, reader.language)
    return _notice(text, data, _level(event), reader)


def trial_message(reader: Reader, now: datetime) -> Notice:
    return _notice(TEST, {"sent_at": now}, "info", reader)


def _level(event: DomainEvent) -> Level:
    if event.type.value == "fleet.recovered":
        return "success"
    return cast(Level, event.severity) if event.severity in get_args(Level) else "info"


def _notice(text: Text, data: Mapping[str, Any], level: Level, reader: Reader) -> Notice:
    flat, language = _flat(data), reader.language
    reader = replace(reader, seconds=_alike(text, flat, reader))
    names = _names(say(text.title, language))
    title = text.title.text(language, dict.fromkeys(names, UNKNOWN) | _params(flat, names, reader))
    lines = [*filter(None, (_filled(line, flat, reader) for line in text.lines))]
    for table in text.tables:
        lines += _rows(table, flat.get(table.of), reader)
    body = "\n".join([*lines, ""])[:LONGEST_BODY] + reader.home
    return Notice(f"{PRODUCT}: {title}"[:LONGEST_TITLE], body, level)


def _alike(text: Text, data: Mapping[str, Any], reader: Reader) -> bool:
    """Whether two of its times differ, and could not be told apart by the minute."""
    names = {name for line in text.lines for name in _names(say(line, reader.language))}
    shown, exact = (_params(data, names, each) for each in (reader, replace(reader, seconds=True)))
    return len({*shown.values()}) < len({*exact.values()})


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


def _rows(table: Table, items: object, reader: Reader) -> Iterator[str]:
    listed = items if isinstance(items, list) else []
    rows = [item if isinstance(item, Mapping) else {"item": item} for item in listed]
    lines = [_filled(table.row, row, reader) for row in rows[:MOST_ROWS]]
    if any(lines):
        yield say(table.heading, reader.language)
        yield from filter(None, lines)
    if len(rows) > MOST_ROWS:
        yield f"(+ {len(rows) - MOST_ROWS})"


def _filled(line: Message, data: Mapping[str, Any], reader: Reader) -> str:
    """Empty when something is missing for it."""
    names = _names(say(line, reader.language))
    params = _params(data, names, reader)
    return line.text(reader.language, params) if len(params) == len(names) else ""


def _names(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def _params(data: Mapping[str, Any], names: Collection[str], reader: Reader) -> dict[str, Param]:
    """Those of these names that are there."""
    there = {name: data[name] for name in names if data.get(name) not in (None, "")}
    return {
        name: _param(name, value, reader)
        for name, value in there.items()
        if not isinstance(value, list | tuple | Mapping)
    }


def _param(key: str, value: object, reader: Reader) -> Param:
    if key.endswith("seconds") and isinstance(value, int) and abs(value) < MOST_SECONDS:
        return timedelta(seconds=value)
    word = WORDS.get(key, {}).get(str(value))
    if word:
        return word
    text = _shown(value, reader)
    return Message(in_portuguese(text), text) if key == "reason" else text


def _shown(value: object, reader: Reader) -> str:
    """As people read it: one line, times as such, and no secret that an error has quoted."""
    if isinstance(value, datetime):
        return reader.time(value)
    # Cut after scrubbing, so that no half of a secret looks like none.
    text = " ".join(logs.scrub(str(value)[: 5 * LONGEST_VALUE]).split())[:LONGEST_VALUE]
    try:
        return reader.time(parse(text)) if text[10:11] == "T" else text
    except (ValueError, OverflowError):
        return text
