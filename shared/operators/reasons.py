"""Reasons of our own in Portuguese. Events hold them in English, often around words of the
machines' host or of Janus, which stay as they were said."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

STATES: Mapping[str, str] = {
    "deallocated": "desligada",
    "starting": "a arrancar",
    "ready": "pronta",
    "draining": "a esvaziar",
    "deallocating": "a desligar-se",
    "failed": "com falha",
}

STEPS: Mapping[str, str] = {
    "start": "ligar",
    "ready": "ficar pronta",
    "room": "sala",
    "join": "entrar",
    "destroy": "apagar a sala",
    "deallocate": "desligar",
}

_DEEDS: Mapping[str, str] = {
    "open a session": "abrir uma sessão",
    "attach to the plugin": "chegar ao plugin",
    "join the room": "entrar na sala",
    "leave the room": "sair da sala",
    "close the session": "fechar a sessão",
}

_OURS: Mapping[str, str] = {
    "It is off, and nobody here has asked for that": "está desligada, e ninguém aqui o pediu",
    "Its host lists it no longer: it was deleted, or its tags make no sense": (
        "já não consta da lista: foi apagada, ou as suas etiquetas não fazem sentido"
    ),
    "It is still starting after {number} minutes": "ainda arranca depois de {number} minutos",
    "It went off again": "voltou a desligar-se",
    "it did not start": "não arrancou",
    "it is still stopping": "ainda se está a desligar",
    "its Janus does not answer": "o seu Janus não responde",
    "no machine has a place for it": "nenhuma máquina tem lugar para ela",
    "nothing is known of {vm}": "nada se sabe de {vm}",
    "its room is not on {vm} yet": "a sua sala ainda não está em {vm}",
    "{vm} is {state}": "{vm} está {state}",
    "{vm} is {state}: {reason}": "{vm} está {state}: {reason}",
    "no reason was given": "não foi dada razão",
    "more is booked than the machines carry": "há mais reservas do que as máquinas suportam",
    "nearly all is booked": "está quase tudo reservado",
    "all is booked: the next booking is refused": "está tudo reservado: a próxima é recusada",
    # The drill.
    "an operator has decided about a machine": "um operador decidiu sobre uma máquina",
    "its time ran out": "o tempo acabou",
    "the machine was handed over": "a máquina ficou com outra tarefa",
    "a booking needs a machine, or will need one soon": (
        "uma reserva precisa de uma máquina, ou vai precisar em breve"
    ),
    "machines are kept on at this hour, or soon, for whoever books": (
        "há máquinas que estão ligadas a esta hora, ou em breve, para quem reservar"
    ),
    "{step}: still {state} after {number} min": "{step}: ainda {state} depois de {number} min",
    "{step}: {reason}": "{step}: {reason}",
    # Janus, and its processes on this computer.
    "Janus does not answer": "o Janus não responde",
    "Janus on {vm} does not answer: {reason}": "o Janus em {vm} não responde: {reason}",
    "no answer in {number} s": "sem resposta em {number} s",
    "the WebSocket was closed": "o WebSocket foi fechado",
    "it is another program that answers": "é outro programa que responde",
    "Janus refuses a good token: {theirs}": "o Janus recusa um token bom: {theirs}",
    "Janus fails on a forged token: {theirs}": "o Janus falha com um token forjado: {theirs}",
    "Janus lets anyone in: it is not in signed mode": (
        "o Janus deixa entrar qualquer um: não está em signed mode"
    ),
    "Janus is not in signed mode: list_tokens says {theirs}": (
        "o Janus não está em signed mode: list_tokens diz {theirs}"
    ),
    "Joined, but the room does not list who joined": "entrou, mas a sala não mostra quem entrou",
    "Can't {deed}: {theirs}": "não foi possível {deed}: {theirs}",
    "Janus ended by itself": "o Janus terminou sozinho",
    "Janus ended by itself; {reason}": "o Janus terminou sozinho; {reason}",
    "last error: {theirs}": "último erro: {theirs}",
    "its log has no error": "o seu registo não tem erros",
    "its log is empty": "o seu registo está vazio",
    "it left no log": "não deixou registo",
    "{vm} does not end, not even killed": "{vm} não termina, nem à força",
    "{vm} is not installed: {theirs}": "{vm} não está instalado: {theirs}",
    "Port {number} is taken; SUROGA_LOCAL_VM_PORT sets the first of the ports": (
        "a porta {number} está ocupada; SUROGA_LOCAL_VM_PORT diz qual é a primeira das portas"
    ),
    "There is no machine {vm}": "não há nenhuma máquina {vm}",
    "Processes can't be listed: {theirs}": "não se consegue listar os processos: {theirs}",
    # Azure.
    "it is shut down but not deallocated, so it still costs money": (
        "foi encerrada mas não desalocada, por isso ainda custa dinheiro"
    ),
    "no reason given": "sem razão dada",
    "Azure did not answer within {number} s": "o Azure não respondeu em {number} s",
    "Azure gave no answer: {theirs}": "o Azure não deu resposta: {theirs}",
    "Azure answered {number}": "o Azure respondeu {number}",
    "Azure's answer makes no sense: {theirs}": "a resposta do Azure não faz sentido: {theirs}",
    "Azure tells no power state (provisioning: {theirs})": (
        "o Azure não diz se está ligada (provisioning: {theirs})"
    ),
}
"""`reason` may be one of ours again; `theirs` is somebody else's."""


def _one_of(words: Mapping[str, str]) -> str:
    return "|".join(map(re.escape, words))


_FORMS = {
    "vm": r"\S+",
    "number": r"[\d.]+",
    "theirs": ".+",
    "reason": ".+",
    "state": _one_of(STATES),
    "step": _one_of(STEPS),
    "deed": _one_of(_DEEDS),
}


def _pattern(english: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", english)
    names = {n: f"(?P<{n}>{_FORMS[n]})" for n in parts[1::2]}
    return re.compile("".join(names[p] if i % 2 else re.escape(p) for i, p in enumerate(parts)))


_SHAPES = [(_pattern(english), portuguese) for english, portuguese in _OURS.items()]


def in_portuguese(reason: str) -> str:
    """What is none of ours comes back as it is."""
    for pattern, portuguese in _SHAPES:
        found = pattern.fullmatch(reason)
        if found:
            return portuguese.format_map(dict(_translated(found.groupdict())))
    return reason


_WITHIN: Mapping[str, Callable[[str], str]] = {
    "state": STATES.__getitem__,
    "step": STEPS.__getitem__,
    "deed": _DEEDS.__getitem__,
    "reason": in_portuguese,
}


def _translated(words: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, word in words.items():
        yield name, _WITHIN[name](word) if name in _WITHIN else word
