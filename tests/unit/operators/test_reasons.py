"""Our own reasons in Portuguese; those of others as they were said."""

from __future__ import annotations

from typing import get_args

import pytest

from shared.fleet.drill_steps import BY_HAND, HANDED_OVER, OVERDUE
from shared.fleet.drill_terms import Step
from shared.fleet.idle import BOOKED, WARM
from shared.fleet.models import VmState
from shared.operators.reasons import STATES, STEPS, in_portuguese
from shared.platform.i18n import Message


@pytest.mark.parametrize(
    ("said", "portuguese"),
    [
        (
            "It is off, and nobody here has asked for that",
            "está desligada, e ninguém aqui o pediu",
        ),
        ("vm-0 is starting", "vm-0 está a arrancar"),
        (
            "vm-0 is failed: It went off again",
            "vm-0 está com falha: voltou a desligar-se",
        ),
        (
            "vm-0 is failed: QuotaExceeded: no cores",
            "vm-0 está com falha: QuotaExceeded: no cores",
        ),
        ("ready: still starting after 15 min", "ficar pronta: ainda a arrancar depois de 15 min"),
        ("start: Janus does not answer", "ligar: o Janus não responde"),
        (
            "join: Can't join the room: Unauthorized (wrong pin)",
            "entrar: não foi possível entrar na sala: Unauthorized (wrong pin)",
        ),
        (
            "Janus on vm-0 does not answer: no answer in 2.5 s",
            "o Janus em vm-0 não responde: sem resposta em 2.5 s",
        ),
        (
            "Janus ended by itself; last error: No such room (7)",
            "o Janus terminou sozinho; último erro: No such room (7)",
        ),
        (
            "Janus ended by itself; its log has no error",
            "o Janus terminou sozinho; o seu registo não tem erros",
        ),
        ("its room is not on vm-0 yet", "a sua sala ainda não está em vm-0"),
        ("Azure did not answer within 10 s", "o Azure não respondeu em 10 s"),
    ],
)
def test_ours(said: str, portuguese: str) -> None:
    assert in_portuguese(said) == portuguese


@pytest.mark.parametrize(
    "said",
    ["", "AllocationFailed: no {capacity} here", "it did not start, says Azure", "{vm} is {state}"],
)
def test_theirs(said: str) -> None:
    assert in_portuguese(said) == said


@pytest.mark.parametrize("why", [BY_HAND, OVERDUE, HANDED_OVER, BOOKED, WARM])
def test_what_breaks_a_drill_off_is_said_as_the_api_says_it(why: Message) -> None:
    assert in_portuguese(why.en) == why.pt


def test_each_state_and_each_step_has_a_word() -> None:
    assert STATES.keys() == {state.value for state in VmState}
    assert STEPS.keys() == {*get_args(Step)}
