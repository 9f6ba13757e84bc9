"""The texts of our errors, in the languages we answer in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

Language = Literal["pt", "en"]


class Message(NamedTuple):
    pt: str
    en: str

    def text(self, language: Language, params: Mapping[str, Param]) -> str:
        """The text with its placeholders filled in; a missing one stays as `{name}`."""
        template = self.pt if language == "pt" else self.en
        return template.format_map(_Params({k: say(v, language) for k, v in params.items()}))


Param = str | timedelta | datetime | Message
"""What fills a placeholder."""


def say(value: Param, language: Language) -> str:
    """As people write it: `1 h 30 min`, `2026-06-20 10:00 UTC`."""
    match value:
        case Message():  # it has no placeholders: it may hold what somebody sent
            return value.pt if language == "pt" else value.en
        case timedelta():
            return _duration(value, language)
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return value


def _duration(length: timedelta, language: Language) -> str:
    hours, rest = divmod(round(length.total_seconds()) % 86400, 3600)
    minutes, seconds = divmod(rest, 60)
    day = ("dia" if language == "pt" else "day") + ("s" if length.days != 1 else "")
    parts = ((length.days, day), (hours, "h"), (minutes, "min"), (seconds, "s"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"


class _Params(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "{" + key + "}"


def language(accept_language: str | None) -> Language:
    """The language to answer in (RFC 9110, 12.5.4): q-values count, then who is named first."""
    best: Language = "pt"
    best_quality = 0.0
    ranges = [_range(part) for part in (accept_language or "").split(",")]
    named = {tag for tag, _ in ranges}
    for tag, quality in ranges:
        if tag == "*":
            # It stands for whatever the header does not name; ours is Portuguese first.
            tag = "pt" if "pt" not in named else "en" if "en" not in named else "*"
        if tag in ("pt", "en") and quality > best_quality:
            best, best_quality = ("pt" if tag == "pt" else "en"), quality
    return best


def _range(part: str) -> tuple[str, float]:
    """The primary subtag and quality of `pt-BR;q=0.8`; a malformed quality counts as 0."""
    tag, _, parameter = part.partition(";")
    primary = tag.strip().lower().partition("-")[0]
    name, _, value = parameter.partition("=")
    if not parameter:
        return primary, 1.0
    try:
        quality = float(value) if name.strip().lower() == "q" else 0.0
    except ValueError:
        quality = 0.0
    return primary, quality if 0 <= quality <= 1 else 0.0


TITLES: dict[int, Message] = {
    400: Message("Pedido inválido", "Bad Request"),
    401: Message("Não autenticado", "Unauthorized"),
    403: Message("Proibido", "Forbidden"),
    404: Message("Não encontrado", "Not Found"),
    405: Message("Método não permitido", "Method Not Allowed"),
    409: Message("Conflito", "Conflict"),
    410: Message("Já não existe", "Gone"),
    413: Message("Conteúdo demasiado grande", "Content Too Large"),
    415: Message("Tipo de conteúdo não suportado", "Unsupported Media Type"),
    422: Message("Conteúdo não processável", "Unprocessable Content"),
    425: Message("Cedo demais", "Too Early"),
    429: Message("Pedidos em excesso", "Too Many Requests"),
    500: Message("Erro interno", "Internal Server Error"),
    502: Message("Resposta inválida de outro serviço", "Bad Gateway"),
    503: Message("Serviço indisponível", "Service Unavailable"),
}

MESSAGES: dict[str, Message] = {
    "unauthorized": Message(
        "Token em falta ou inválido: volte a entrar.",
        "The bearer token is missing or invalid: sign in again.",
    ),
    "auth_unavailable": Message(
        "O serviço de autenticação não responde. Tente novamente mais tarde.",
        "The identity provider does not answer. Try again later.",
    ),
    "not_found": Message("Não encontrado: verifique o endereço.", "Not found: check the address."),
    "room_not_found": Message(
        "A sala {room_id} não existe: escolha uma da lista de salas.",
        "Room {room_id} does not exist: choose one from the list of rooms.",
    ),
    "booking_not_found": Message(
        "Reserva não encontrada: verifique o número na sua lista de reservas.",
        "The booking was not found: check its id in your list of bookings.",
    ),
    "series_not_found": Message(
        "Série de reservas não encontrada: verifique o número.",
        "The series of bookings was not found: check its id.",
    ),
    "invalid_request": Message(
        "Parâmetros ausentes ou inválidos: {fields}.",
        "Missing or invalid parameters: {fields}.",
    ),
    "invalid_json": Message(
        "O corpo do pedido não é JSON válido: corrija-o e envie-o de novo.",
        "The body is not valid JSON: correct it and send it again.",
    ),
    "body_too_large": Message(
        "O corpo do pedido é demasiado grande: envie um mais pequeno.",
        "The body is too large: send a smaller one.",
    ),
    "unsupported_media": Message(
        "Tipo de conteúdo não suportado: envie application/json.",
        "The content type is not supported: send application/json.",
    ),
    "room_taken": Message(
        "Sala {room_id} já reservada no intervalo solicitado.",
        "Room {room_id} is already booked in that interval: choose another room or time.",
    ),
    "room_create_failed": Message(
        "Erro ao criar sala no serviço de WebRTC. Tente novamente mais tarde.",
        "The room could not be created in the WebRTC service. Try again later.",
    ),
    "new_room_create_failed": Message(
        "Erro ao criar nova sala no serviço de WebRTC. Tente novamente mais tarde.",
        "A new room could not be created in the WebRTC service. Try again later.",
    ),
    "room_booked": Message(
        "A sala {room_id} tem reservas em curso ou futuras: cancele-as ou espere que acabem.",
        "Room {room_id} has a running or future booking: cancel it, or wait until it is over.",
    ),
    "room_delete_failed": Message(
        "Erro ao remover a sala no serviço de WebRTC; a sala mantém-se. Tente mais tarde.",
        "The room could not be removed from the WebRTC service, and is kept. Try again later.",
    ),
    "password_reset_failed": Message(
        "Erro ao alterar a palavra-passe no serviço de WebRTC; vale a antiga. Tente mais tarde.",
        "The WebRTC service could not change the password: the old one holds. Try again later.",
    ),
    "participants_forbidden": Message(
        "Só quem reservou a sala para agora ou um administrador vê os participantes: peça-lhes.",
        "Only who has booked the room for now or an admin sees the participants: ask one of them.",
    ),
    "janus_failed": Message(
        "Erro ao contactar o serviço de WebRTC. Tente novamente mais tarde.",
        "The WebRTC service failed to answer: try again later.",
    ),
    "capacity_exhausted": Message(
        "Não há mais chamadas disponíveis a essa hora. Escolha outra.",
        "There is no VM capacity left in that interval: choose another time.",
    ),
    "calendar_busy": Message(
        "O calendário está ocupado. Tente novamente.",
        "The calendar is busy: try again.",
    ),
    "storage_unavailable": Message(
        "O armazenamento não responde. Tente novamente mais tarde.",
        "The storage does not answer. Try again later.",
    ),
    "cancel_too_late": Message(
        "Só é possível cancelar até {notice} antes do início.",
        "A booking can't be cancelled less than {notice} before its start.",
    ),
    "booking_started": Message(
        "A reserva já começou e não pode ser cancelada: termine-a.",
        "The booking has started and can't be cancelled: end it instead.",
    ),
    "change_too_late": Message(
        "Só é possível alterar até {notice} antes do início.",
        "A booking can't be changed less than {notice} before its start.",
    ),
    "change_started": Message(
        "A reserva já começou e não pode ser alterada: prolongue-a ou termine-a.",
        "The booking has started and can't be moved: extend it or end it instead.",
    ),
    "extend_taken": Message(
        "A sala está reservada a seguir e livre até {free_until}: escolha um fim anterior.",
        "The room is booked afterwards, it is free until {free_until}: choose an earlier end.",
    ),
    "booking_not_running": Message(
        "A reserva não está em curso: antes do início cancele-a ou mude-a; depois já passou.",
        "The booking is not running: before its start cancel or reschedule it; later it is over.",
    ),
    "too_early": Message(
        "A sala abre às {opens_at}.",
        "The room opens at {opens_at}: come back then.",
    ),
    "booking_over": Message(
        "A reserva já terminou: faça uma nova.",
        "The booking is over: make a new one.",
    ),
    "booking_cancelled": Message(
        "A reserva foi cancelada: faça uma nova.",
        "The booking was cancelled: make a new one.",
    ),
    "room_starting": Message(
        "A sala está a iniciar. Aguarde um momento.",
        "The room is starting: try again in a moment.",
    ),
    "room_full": Message(
        "A sala está cheia: tente quando alguém sair.",
        "The room is full: try again when somebody has left.",
    ),
    "janus_unavailable": Message(
        "O serviço de WebRTC não responde. Tente novamente em breve.",
        "The WebRTC service does not answer: try again in a moment.",
    ),
    "invite_invalid": Message(
        "Convite inválido: peça um novo a quem o convidou.",
        "The invite is invalid: ask the host for a new one.",
    ),
    "invite_revoked": Message(
        "O convite foi revogado: peça um novo a quem o convidou.",
        "The invite was revoked: ask the host for a new one.",
    ),
    "invite_not_found": Message(
        "Convite não encontrado: veja os convites da reserva.",
        "The invite was not found: check its id in the booking's list of invites.",
    ),
    "booking_closed": Message(
        "A reserva terminou ou foi cancelada: faça uma nova.",
        "The booking is over or was cancelled: make a new one.",
    ),
    "too_many_guests": Message(
        "A reserva já tem o máximo de convites ({limit}): use um deles ou o link para partilhar.",
        "The booking has as many invites as it can have ({limit}): use one of them, or the shared "
        "link.",
    ),
    "role_required": Message(
        "O seu token não tem a função user nem admin: peça uma delas.",
        "Your token has neither the role user nor admin: ask for one of them.",
    ),
    "admin_only": Message(
        "Só um administrador o pode fazer: peça a um da sua organização.",
        "Only an admin may do this: ask one of your organisation.",
    ),
    "operator_only": Message(
        "Só um operador da plataforma o pode fazer: peça a um.",
        "Only an operator of the platform may do this: ask one of them.",
    ),
    "fresh_sign_in_required": Message(
        "Isto exige uma entrada com menos de {age}: volte a entrar e repita o pedido.",
        "This takes a sign-in not older than {age}: sign in again and send it once more.",
    ),
    "vm_not_found": Message(
        "A máquina não existe: veja os nomes em GET /api/v1/fleet.",
        "There is no such machine: see the names in GET /api/v1/fleet.",
    ),
    "compute_unavailable": Message(
        "Não foi possível obter a lista de máquinas. Tente novamente em breve.",
        "The list of machines could not be read: try again in a moment.",
    ),
    "vm_not_off": Message(
        "A máquina {vm} não está desligada: escolha outra, ou espere que se desligue.",
        "Machine {vm} is not off: choose another one, or wait until it is.",
    ),
    "drill_under_way": Message(
        "Já decorre um ensaio da máquina {vm}: espere que acabe.",
        "A drill of machine {vm} is under way already: wait until it is over.",
    ),
    "drill_not_idle": Message(
        "Agora não pode haver um ensaio: {reason}. Tente depois de isso acabar.",
        "There can be no drill now: {reason}. Try again when that is over.",
    ),
    "rate_limited": Message(
        "Pedidos em excesso. Aguarde {seconds} s e tente novamente.",
        "Too many requests: wait {seconds} s and try again.",
    ),
    "insufficient_scope": Message(
        "A chave de API não tem o âmbito {scope}: use uma que o tenha.",
        "The API key lacks the scope {scope}: use a key that has it.",
    ),
    "person_only": Message(
        "Uma chave de API não o pode fazer: entre como pessoa.",
        "An API key may not do this: sign in as a person.",
    ),
    "api_key_not_found": Message(
        "Chave de API não encontrada: veja a lista de chaves.",
        "The API key was not found: check its id in the list of API keys.",
    ),
    "idempotency_key_reused": Message(
        "Esta Idempotency-Key já foi usada com outro pedido. Use uma nova.",
        "This Idempotency-Key was used with another request: use a new one.",
    ),
    "idempotency_in_flight": Message(
        "O mesmo pedido ainda está em curso. Tente novamente em breve.",
        "The same request is still under way: try again in a moment.",
    ),
    "local_only": Message(
        "Só existe em modo local: entre com o seu fornecedor de identidade.",
        "This exists in local mode only: sign in with your identity provider.",
    ),
    "internal_error": Message(
        "Erro interno. Indique o operation_id ao contactar o suporte.",
        "Internal error. Name the operation_id when you contact support.",
    ),
}
