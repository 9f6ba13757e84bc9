"""The words and the looks of a drawn plan."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import datetime
from html import escape

from shared.fleet.plan_view import Stage
from shared.fleet.policy import Cause
from shared.platform.i18n import Language, Message

WORDS = {
    "title": Message("Plano das máquinas", "Plan of the machines"),
    "machines": Message("máquinas", "machines"),
    "machine": Message("máquina", "machine"),
    "bookings": Message("reservas", "bookings"),
    "booking": Message("reserva", "booking"),
    "hours": Message("horas de máquina", "machine hours"),
    "of_always": Message("de tudo sempre ligado", "of all always on"),
    "unplaced": Message("Sem máquina", "No machine"),
    "unplaced_many": Message("reservas sem máquina", "bookings without a machine"),
    "unplaced_one": Message("reserva sem máquina", "booking without a machine"),
    "incomplete": Message(
        "O serviço das máquinas não respondeu: podem faltar algumas",
        "The machines' host did not answer: some may be missing",
    ),
    "now": Message("agora", "now"),
    "actual": Message("Esteve ligada", "Was on"),
    "planned": Message("Ligada, planeado", "On, planned"),
    "hold": Message("Ligada à mão", "Held on by hand"),
    "exclusion": Message("Excluída à mão", "Excluded by hand"),
    "lost": Message("Perdida", "Lost"),
    "went_on": Message(
        "terminou sozinha ou avariou; as suas chamadas continuaram noutra",
        "it ended by itself or failed; its calls went on elsewhere",
    ),
    "moved": Message("Mudou de máquina", "Moved"),
    "moved_from": Message("veio de", "moved from"),
    "moved_to": Message("continuou em", "went on at"),
    "capacity": Message("lugares", "places"),
    "place": Message("lugar", "place"),
    "no_machines": Message("Não há máquinas.", "There are no machines."),
    "nothing": Message(
        "Nada reservado e nenhuma máquina ligada.", "Nothing is booked and no machine is on."
    ),
}

STAGES = {
    Stage.OVER: Message("Reserva terminada", "Booking, over"),
    Stage.RUNNING: Message("Reserva em curso", "Booking, running"),
    Stage.PLANNED: Message("Reserva futura", "Booking to come"),
}

CAUSES = {
    Cause.BOOKINGS: Message("reservas", "bookings"),
    Cause.BRIDGE: Message("intervalo curto", "short gap"),
    Cause.WARM: Message("pré-aquecida", "warm pool"),
    Cause.HOLD: Message("à mão", "by hand"),
}

_DAYS = {
    "pt": ("seg", "ter", "qua", "qui", "sex", "sáb", "dom"),
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
}
_MONTHS = {
    "pt": ("jan", "fev", "mar", "abr", "mai", "jun", "jul", "ago", "set", "out", "nov", "dez"),
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
}

# What XML 1.0 can't hold, whoever wrote it.
_NO_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def plain(text: str) -> str:
    """As XML takes it, also within an attribute."""
    return escape(_NO_XML.sub("�", text))


def word(name: str, language: Language) -> str:
    return WORDS[name].text(language, {})


def day(moment: datetime, language: Language) -> str:
    """`Wed 10 Jun`, of a local time."""
    weekday, month = _DAYS[language][moment.weekday()], _MONTHS[language][moment.month - 1]
    return f"{weekday} {moment.day} {month}"


def day_and_time(moment: datetime, language: Language) -> str:
    return f"{day(moment, language)} {moment:%H:%M}"


def number(value: float, language: Language) -> str:
    """With one decimal."""
    text = f"{value:.1f}"
    return text.replace(".", ",") if language == "pt" else text


STYLE = """
svg{font:12px system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif}
.bg{fill:#fff}.row{fill:#f8fafc}.rule{stroke:#e2e8f0}.grid{stroke:#e9eef4}.day{stroke:#b6c2d1}
.lane{stroke:#e4eaf1;stroke-dasharray:1 3}.past{fill:#64748b;fill-opacity:.06}
.weekend{fill:#64748b;fill-opacity:.05}
text{fill:#0f172a}.h1{font-size:18px;font-weight:650}.b{font-weight:650;font-size:13px}
.mute{fill:#56657a}.small{font-size:11px}.big{font-size:14px}.bad{fill:#b91c1c;font-weight:650}
.was{fill:#0d9488;fill-opacity:.3;stroke:#0f766e}
.will{fill:#14b8a6;fill-opacity:.13;stroke:#0d9488;stroke-dasharray:4 3}
.over{fill:#7c8ba1}.running{fill:#15803d}.planned{fill:#2563eb}.none{fill:#dc2626}
.bar{stroke:#fff;stroke-opacity:.55}.in{fill:#fff;font-size:10.5px;pointer-events:none}
.hold{fill:url(#hatch);stroke:#b45309}.hatch{stroke:#d97706}
.out{fill:#475569;fill-opacity:.22;stroke:#475569;stroke-opacity:.55}
.moved{fill:#f59e0b}.move{stroke:#d97706;stroke-width:2;stroke-dasharray:3 2}
.lost{fill:#dc2626}.tag,.past,.now,.pill,.on-pill,.move{pointer-events:none}
.badrow{fill:#fef2f2}.now{stroke:#be185d;stroke-width:2}.pill{fill:#be185d}.on-pill{fill:#fff}
@media (prefers-color-scheme:dark){
.bg{fill:#0b1220}.row{fill:#111a2c}.rule{stroke:#233149}.grid{stroke:#1a2539}.day{stroke:#41516b}
.lane{stroke:#22304a}.past{fill:#94a3b8}.weekend{fill:#94a3b8}
text{fill:#e5ecf5}.mute{fill:#9fb0c6}.bad{fill:#fca5a5}
.was{fill:#2dd4bf;fill-opacity:.3;stroke:#2dd4bf}
.will{fill:#2dd4bf;fill-opacity:.12;stroke:#2dd4bf}
.over{fill:#64748b}.running{fill:#16a34a}.planned{fill:#3b6fe0}.none{fill:#e04444}
.bar{stroke:#0b1220}.in{fill:#fff}.hold{stroke:#f59e0b}.hatch{stroke:#f59e0b}
.out{fill:#94a3b8;stroke:#94a3b8}.badrow{fill:#2a1216}.now{stroke:#f472b6}.pill{fill:#f472b6}
.on-pill{fill:#0b1220}
}
"""

STYLE_SOURCE = "'sha256-" + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode() + "'"
"""What a Content-Security-Policy must allow for the picture to have its looks."""
