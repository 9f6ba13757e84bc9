"""What operators read of each type of event. A line whose data is missing is left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.platform.i18n import Message


@dataclass(frozen=True, slots=True)
class Text:
    """`lines` and `title` have the event's data as placeholders. `plain`: below them stands
    whatever else the event has to tell."""

    title: Message
    lines: tuple[Message, ...] = ()
    plain: bool = False


_START = Message("Início: {start_time}", "Start: {start_time}")
_END = Message("Fim: {end_time}", "End: {end_time}")
_MACHINE = Message("Máquina: {vm}", "Machine: {vm}")
_WHY = Message("Motivo: {reason}", "Why: {reason}")
_SINCE = Message("Desde: {since}", "Since: {since}")


def _next(portuguese: str) -> Message:
    """The event says it in English."""
    return Message(f"O que fazer: {portuguese}", "What to do: {next_step}")


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
            *(_WHY, _SINCE),
            _next(
                "as reservas passam para outras máquinas; veja no portal porque desapareceu, e se "
                "sobra capacidade."
            ),
        ),
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
                "ninguém é desligado e a máquina fica ligada; termine a reserva para todos se já "
                "não está lá ninguém."
            ),
        ),
    ),
    "fleet.capacity_warning": Text(
        Message(
            "Capacidade: {bookings} reservas ao mesmo tempo, {places} lugares",
            "Capacity: {bookings} bookings at the same time, {places} places",
        ),
        (
            *(_START, _END),
            Message(
                "Máquinas em falta: {missing_machines}", "Machines missing: {missing_machines}"
            ),
            Message(
                "O calendário aceita {pool_capacity} ao mesmo tempo.",
                "The calendar accepts {pool_capacity} at the same time.",
            ),
            _next(
                "acrescente máquinas, ou termine o que exclui algumas; depois suba a capacidade."
            ),
        ),
    ),
    "fleet.recovered": Text(
        Message("Terminou: {what}", "Over: {what}"),
        (
            Message("Desde: {opened_at}", "Since: {opened_at}"),
            Message("Durou {lasted}.", "It lasted {lasted}."),
        ),
    ),
    "fleet.plan": Text(Message("Plano da semana", "The week's plan"), plain=True),
    "fleet.drill": Text(Message("Ensaio da máquina {vm}", "Drill of machine {vm}"), plain=True),
    "report.weekly": Text(Message("Relatório da semana", "The week's report"), plain=True),
    "report.monthly": Text(Message("Relatório do mês", "The month's report"), plain=True),
}

OVER: Mapping[str, Message] = {
    "not_ready": Message(
        "a reserva {name} sem máquina pronta", "booking {name} without a ready machine"
    ),
    "start_failed": Message("a máquina {name} não arrancava", "machine {name} did not start"),
    "stop_failed": Message("a máquina {name} não se desligava", "machine {name} did not stop"),
    "lost": Message("a máquina {name} perdida", "machine {name} was lost"),
    "manual_hold": Message("a máquina {name} retida há muito", "machine {name} was held for long"),
    "overrun": Message(
        "a chamada da reserva {name} depois da hora", "the call of booking {name} after its end"
    ),
    "capacity_short": Message("falta de capacidade", "capacity was short"),
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
