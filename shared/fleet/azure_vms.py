"""What Azure says of a virtual machine, in the fleet's words: its tags, and its instance view."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping

from shared.fleet.compute import Machine, Power
from shared.platform.settings import Settings

ROLE = "janus"

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DNS_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*", re.IGNORECASE)

_NUMBER = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)", re.IGNORECASE)
"""What resolvers take for an IPv4 address: `127.1`, `2130706433`, `0x7f000001`."""

_OWN_NAMES = re.compile(r"(.*\.)?(localhost|localdomain|ip6-[a-z]+)", re.IGNORECASE)

_PRIVATE = [
    ipaddress.ip_network(each)
    for each in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
]
"""What a virtual network is made of (RFC 1918, 6598 and 4193). The Admin API is nowhere else: not
on ourselves, and not at the platform's own addresses like 169.254.169.254 and 168.63.129.16."""


class BadTag(Exception):
    """The message says what to mend."""


def machine(
    name: str, location: str, spot: bool, tags: Mapping[str, str], settings: Settings
) -> Machine | None:
    """The machine that these tags describe, its power not yet known; None: it is not ours, or
    another pool's. Raises `BadTag`."""
    # Azure keeps the case of a tag's name and ignores it.
    given = {key.lower(): text.strip() for key, text in tags.items() if isinstance(text, str)}
    if given.get("suroga-role", "").lower() != ROLE:
        return None
    pool = _number(given, "suroga-pool", 0, 99)
    if pool != settings.pool:
        return None
    capacity = _number(given, "suroga-capacity", 1, 1000, settings.vm_capacity)
    host = given.get("suroga-host", "")
    if not _DNS_NAME.fullmatch(host):
        raise BadTag("its tag suroga-host should be the DNS name by which browsers reach it")
    domain = settings.vm_domain.lower()
    if domain and not f".{host.lower()}".endswith(f".{domain}"):
        raise BadTag(f"its tag suroga-host should be a name in {domain} (SUROGA_VM_DOMAIN)")
    admin = _address(given.get("suroga-admin", name))
    return Machine(
        name=name,
        pool=pool,
        capacity=capacity,
        power=Power.UNKNOWN,
        janus_urls=tuple(url.replace("{host}", host) for url in settings.vm_urls),
        admin_url=settings.vm_admin_url.replace("{admin}", admin),
        region=location,
        spot=spot,
    )


def _number(
    tags: Mapping[str, str], name: str, low: int, high: int, default: int | None = None
) -> int:
    text = tags.get(name)
    if text is None and default is not None:
        return default
    if text is None or not re.fullmatch(r"[0-9]{1,4}", text) or not low <= int(text) <= high:
        raise BadTag(f"its tag {name} should be a number from {low} to {high}")
    return int(text)


def _address(text: str) -> str:
    """For a URL. Whoever may write tags must not send our Admin API's secret where it pleases them,
    nor us to ourselves."""
    bad = BadTag("its tag suroga-admin should be the private name or address of its Admin API")
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        own = _NUMBER.fullmatch(text) or _OWN_NAMES.fullmatch(text)
        if _DNS_NAME.fullmatch(text) and not own:
            return text
        raise bad from None
    if "%" in text or not any(address in network for network in _PRIVATE):
        raise bad
    return f"[{address}]" if address.version == 6 else str(address)


_POWERS = {
    "deallocated": Power.DEALLOCATED,
    "starting": Power.STARTING,
    "running": Power.RUNNING,
    "deallocating": Power.DEALLOCATING,
    # It was shut down from inside, or by «power off», and still costs money: for us it is on, its
    # Janus does not answer, and what is not needed is deallocated.
    "stopping": Power.RUNNING,
    "stopped": Power.RUNNING,
}
_HALTED = "it is shut down but not deallocated, so it still costs money"


def power(statuses: Iterable[tuple[str, str]]) -> tuple[Power, str]:
    """The power that an instance view tells, and the reason where that needs one.

    `statuses` are pairs of code and message, like `PowerState/running`,
    `ProvisioningState/succeeded`, `ProvisioningState/failed/AllocationFailed`
    (https://learn.microsoft.com/azure/virtual-machines/states-billing). FAILED is off, costs
    nothing, and its last operation failed; a machine that runs does so whatever failed.
    """
    told: dict[str, tuple[str, str]] = {}
    for code, message in statuses:
        kind, _, state = code.partition("/")
        told[kind.lower()] = (state, message)
    state = told.get("powerstate", ("", ""))[0].lower()
    provisioning, message = told.get("provisioningstate", ("", ""))
    outcome, _, why = provisioning.partition("/")
    failed = outcome.lower() == "failed"
    if failed and state in ("", "deallocated"):
        return Power.FAILED, ": ".join(part for part in (why, message) if part) or "no reason given"
    if state not in _POWERS:
        return Power.UNKNOWN, f"Azure tells no power state (provisioning: {outcome or 'unknown'})"
    return _POWERS[state], _HALTED if state in ("stopping", "stopped") else ""


def halted(machine: Machine) -> bool:
    """Whether it costs money and does not run."""
    return machine.power is Power.RUNNING and machine.reason == _HALTED
