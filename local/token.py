"""`make token USER=alice ROLES=user TENANT=acme`: prints a bearer token for the local system."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from local import settings_file
from local.ports import DEFAULT, Ports, port_number
from local.terminal import Stop, end_with

ROOT = Path(__file__).parent.parent
ROLES = ("user", "admin", "operator")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m local.token", description=__doc__)
    parser.add_argument("--user", default="alice")
    parser.add_argument("--roles", default="user", help="user, admin, operator; commas between")
    parser.add_argument("--tenant", default="acme")
    parser.add_argument("--name", help="shown in calls (default: the user)")
    parser.add_argument("--port", type=port_number, default=DEFAULT)
    arguments = parser.parse_args()
    if not arguments.user or not arguments.tenant:
        raise Stop("USER and TENANT should not be empty.")
    print(_issue(arguments, _roles(arguments.roles)))
    return 0


def _roles(text: str) -> list[str]:
    roles = [role.strip() for role in text.split(",") if role.strip()]
    unknown = [role for role in roles if role not in ROLES]
    if unknown or not roles:
        bad = f"{unknown[0]} is no role" if unknown else "ROLES is empty"
        raise Stop(f"{bad}: ROLES should be user, admin or operator, with commas between.")
    return roles


def _issue(arguments: argparse.Namespace, roles: list[str]) -> str:
    if not (ROOT / settings_file.NAME).exists():
        raise Stop("There is no local system yet: run `make run` first.")
    # Only now: they need .venv.
    from shared.platform.auth import LocalTokens
    from shared.platform.clock import SystemClock
    from shared.platform.problems import Problem
    from shared.platform.settings import SettingsError, load_settings

    values, example = settings_file.ensure(ROOT), settings_file.example_values(ROOT)
    ports = Ports.of(arguments.port)
    os.environ.update(settings_file.environment(values, example, ports, ROOT / ".local"))
    name = arguments.name or arguments.user.title()
    try:
        tokens = LocalTokens(load_settings(), SystemClock())
        return tokens.issue(arguments.user, arguments.tenant, roles, name)
    except SettingsError as error:
        raise Stop(f"{error}.") from None
    except Problem:
        raise Stop(
            "This system does not sign in locally: SUROGA_MODE is not `local`, or SUROGA_JWT_SECRET"
            " is not set; its identity provider issues the tokens."
        ) from None


if __name__ == "__main__":
    end_with(main)
