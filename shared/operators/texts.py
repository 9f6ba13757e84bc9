"""What operators read of each type of event. A line whose data is missing is left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.operators.reasons import STEPS
from shared.platform.i18n import Message


@dataclass(frozen=True, slots=True)
class Table:
    """One row for each item of the list `of`, or for each `item` and `value` of what is in it."""

    of: str
    heading: Message
    row: Message


@dataclass(frozen=True, slots=True)
class Text:
    """The event's data are the placeholders; what is within another is named `outer_inner`."""

    title: Message
    lines: tuple[Message, ...] = ()
    tables: tuple[Table, ...] = ()


_START = Message("Início: {start_time}", "Start: {start_time}")
_END = Message("Fim: {end_time}", "End: {end_time}")
_MACHINE = Message("Máquina: {vm}", "Machine: {vm}")
_WHY = Message("Motivo: {reason}", "Why: {reason}")
_SINCE = Message("Desde: {since}", "Since: {since}")


def _next(portuguese: str) -> Message:
    """The event says it in English."""
    return Message(f"O que fazer: {portuguese}", "What to do: {next_step}")


_MACHINES = Message("Por máquina:", "By machine:")


def _both(text: str) -> Message:
    return Message(text, text)


def _report(title: Message) -> Text:
    return Text(
        Message(*(f"{text} {{period}}" for text in title)),
        (
            Message(
                "Chamadas: {sessions} (antes {previous_sessions}), em média {mean_seconds}",
                "Calls: {sessions} (before {previous_sessions}), on average {mean_seconds}",
            ),
            Message(
                "Reservas servidas: {bookings} (antes {previous_bookings})",
                "Bookings carried: {bookings} (before {previous_bookings})",
            ),
            Message(
                "Ao mesmo tempo, no máximo: {peak}, {peak_at}",
                "At the same time, at most: {peak}, {peak_at}",
            ),
            Message(
                "Horas de máquina: {vm_hours} (antes {previous_vm_hours})",
                "Machine hours: {vm_hours} (before {previous_vm_hours})",
            ),
            Message(
                "Custo: {cost} {currency} (antes {previous_cost})",
                "Cost: {cost} {currency} (before {previous_cost})",
            ),
            Message(
                "Do qual de ninguém: {platform_cost} {currency}",
                "Of which nobody's: {platform_cost} {currency}",
            ),
        ),
        (
            Table(
                "tenants",
                Message("Por cliente:", "By tenant:"),
                Message(
                    "- {tenant}: chamadas {calls}, minutos {call_minutes}, custo {cost}",
                    "- {tenant}: calls {calls}, minutes {call_minutes}, cost {cost}",
                ),
            ),
            Table(
                "machines",
                _MACHINES,
                Message(
                    "- {vm}: horas {vm_hours}, custo {cost}",
                    "- {vm}: hours {vm_hours}, cost {cost}",
                ),
            ),
        ),
    )


TEXTS: Mapping[str, Text] = {
    "booking.not_ready": Text(
        Message(
            "A reserva {booking_id} não tem máquina pronta",
            "Booking {booking_id} has no ready machine",
        ),
        (
            *(_START, _END, _MACHINE, _WHY, _SINCE),
            _next("veja a máquina e o seu registo; ligue outra, ou avise o cliente."),
        ),
    ),
    "vm.start_failed": Text(
        Message("A máquina {vm} não arrancou", "Machine {vm} did not start"),
        (
            *(_WHY, _SINCE),
            Message("Nova tentativa: {retry_at}", "Next try: {retry_at}"),
            _next(
                "é tentado de novo e as reservas passam para outras; se o motivo persistir, "
                "liberte quota, mude o tamanho da máquina ou exclua-a."
            ),
        ),
    ),
    "vm.not_answering": Text(
        Message("A máquina {vm} deixou de responder", "Machine {vm} stopped answering"),
        (
            *(_WHY, _SINCE),
            Message("Reinício não antes de: {retry_at}", "Restart not before: {retry_at}"),
            _next(
                "as reservas passam para outra máquina que tenha lugar; senão é reiniciada "
                "automaticamente: veja o seu registo."
            ),
        ),
    ),
    "vm.stop_failed": Text(
        Message("A máquina {vm} não se desliga", "Machine {vm} does not stop"),
        (
            *(_WHY, _SINCE),
            _next("enquanto está ligada custa dinheiro: desaloque-a à mão no portal."),
        ),
    ),
    "vm.lost": Text(
        Message("A máquina {vm} perdeu-se", "Machine {vm} was lost"),
        (
            _WHY,
            Message(
                "O que fazer: as reservas passam para outras máquinas; veja no portal o que "
                "aconteceu, e se sobra capacidade.",
                "What to do: its bookings move to others; see in the portal what happened, and "
                "whether capacity is left.",
            ),
        ),
        (Table("bookings", Message("Reservas:", "Bookings:"), _both("- {item}")),),
    ),
    "vm.hold_long": Text(
        Message("A máquina {vm} está retida há muito", "Machine {vm} has been held for long"),
        (
            Message("Por: {by}", "By: {by}"),
            *(_WHY, _SINCE),
            Message("Até: {until}", "Until: {until}"),
            _next("desligue-a se ninguém precisa dela; senão fica ligada até ao fim."),
        ),
    ),
    "call.overrun": Text(
        Message(
            "A chamada da reserva {booking_id} continua depois da hora",
            "The call of booking {booking_id} goes on after its end",
        ),
        (
            *(_START, _END, _MACHINE),
            _next(
                "ninguém é desligado e a máquina fica ligada; pare a máquina à mão se isso tiver "
                "de acabar."
            ),
        ),
    ),
    "fleet.capacity_warning": Text(
        Message(
            "Capacidade: reservas ao mesmo tempo {bookings}, lugares {places}",
            "Capacity: booked at the same time {bookings}, places {places}",
        ),
        (
            *(_WHY, _START, _END),
            Message(
                "Máquinas em falta: {missing_machines}", "Machines missing: {missing_machines}"
            ),
            Message(
                "O calendário aceita {pool_capacity} ao mesmo tempo.",
                "The calendar accepts {pool_capacity} at the same time.",
            ),
            _next(
                "acrescente máquinas, ou termine o que exclui algumas. A capacidade do calendário "
                "só pode subir quando há lugares para ela."
            ),
        ),
    ),
    "fleet.recovered": Text(
        Message("Terminou: {what}", "Over: {what}"),
        (
            Message("Desde: {opened_at}", "Since: {opened_at}"),
            Message("Durou {seconds}.", "It lasted {seconds}."),
        ),
    ),
    "fleet.drill": Text(
        Message("Ensaio da máquina {vm}: {result}", "Drill of machine {vm}: {result}"),
        (_WHY, Message("Início: {started_at}", "Start: {started_at}")),
        (Table("steps", Message("Passos:", "Steps:"), _both("- {item}: {value} s")),),
    ),
    "fleet.plan": Text(
        Message(
            "Plano da semana: reservas {bookings}, horas de máquina {machine_hours}",
            "The week's plan: bookings {bookings}, machine hours {machine_hours}",
        ),
        (
            Message("De {since} a {until}", "From {since} to {until}"),
            Message("Ao mesmo tempo, no máximo: {peak}", "At the same time, at most: {peak}"),
            Message("Sem máquina: {without_machine}", "Without a machine: {without_machine}"),
            Message(
                "Desde o último plano: novas {changes_added_count}, movidas "
                "{changes_moved_count}, canceladas {changes_cancelled_count}",
                "Since the last plan: added {changes_added_count}, moved {changes_moved_count}, "
                "cancelled {changes_cancelled_count}",
            ),
        ),
        (
            Table(
                "days",
                Message("Por dia:", "By day:"),
                Message(
                    "- {day}: reservas {bookings}, pico {peak}, horas de máquina {machine_hours}",
                    "- {day}: bookings {bookings}, peak {peak}, machine hours {machine_hours}",
                ),
            ),
            Table(
                "machines",
                _MACHINES,
                Message(
                    "- {vm}: horas {hours}, arranques {starts}",
                    "- {vm}: hours {hours}, starts {starts}",
                ),
            ),
        ),
    ),
    "report.weekly": _report(Message("Relatório da semana", "The week's report")),
    "report.monthly": _report(Message("Relatório do mês", "The month's report")),
}

QUIET = frozenset({"vm.lost"})
"""Events that are told only when they are more than information: nobody need be woken for a machine
that was lost and carried nothing."""

WORDS: Mapping[str, Mapping[str, Message]] = {
    "result": {
        "ok": Message("correu bem", "passed"),
        "failed": Message("falhou", "failed"),
        "broken_off": Message("interrompido", "broken off"),
    },
    "item": {step: Message(portuguese, step) for step, portuguese in STEPS.items()},
}
"""What stands for a word of ours, by the name of the placeholder."""

OVER: Mapping[str, Message] = {
    "not_ready": Message(
        "a reserva {name} sem máquina pronta", "booking {name} without a ready machine"
    ),
    "start_failed": Message("a máquina {name} não arrancava", "machine {name} did not start"),
    "not_answering": Message(
        "a máquina {name} deixou de responder", "machine {name} stopped answering"
    ),
    "stop_failed": Message("a máquina {name} não se desligava", "machine {name} did not stop"),
    "manual_hold": Message("a máquina {name} retida há muito", "machine {name} was held for long"),
    "overrun": Message(
        "a chamada da reserva {name} depois da hora", "the call of booking {name} after its end"
    ),
    "capacity_short": Message("falta de capacidade", "capacity was short"),
    "capacity_full": Message("calendário cheio, ou quase", "the calendar was full, or nearly"),
}
"""What `{what}` of `fleet.recovered` is, by the kind of the incident."""

TEST = Text(
    Message("Mensagem de teste", "Test message"),
    (
        Message("Enviada: {sent_at}", "Sent: {sent_at}"),
        Message(
            "Se a lê, os alertas deste sistema chegam aqui.",
            "If you read this, this system's alerts arrive here.",
        ),
    ),
)
