"""`make token` prints a token and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jwt
import pytest

from local import settings_file
from tests.tree import ENVIRONMENT


def token(root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "local.token", *options]
    return subprocess.run(
        command, cwd=root, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )


def test_a_token_for_the_running_system(project: Path) -> None:
    values = settings_file.ensure(project)
    found = token(project, "--user", "bob", "--roles", "user,admin", "--tenant", "other")
    assert (found.returncode, found.stderr) == (0, "")
    claims = jwt.decode(
        found.stdout.strip(),
        values["SUROGA_JWT_SECRET"],
        algorithms=["HS256"],
        audience=values["SUROGA_JWT_AUDIENCE"],
        issuer=values["SUROGA_JWT_ISSUER"],
    )
    assert claims["sub"] == "bob"
    assert claims["tenant"] == "other"
    assert sorted(claims["roles"]) == ["admin", "user"]
    assert claims["name"] == "Bob"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--roles", "king"], "king is no role: ROLES should be user, admin or operator"),
        (["--roles", ""], "ROLES is empty"),
        (["--user", ""], "USER and TENANT should not be empty"),
    ],
)
def test_a_wrong_role_is_one_sentence(project: Path, options: list[str], says: str) -> None:
    settings_file.ensure(project)
    found = token(project, *options)
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr.count("\n") == 1
    assert says in found.stderr


def test_before_the_first_run_it_says_what_to_do(project: Path) -> None:
    for module in ("token", "setup"):
        command = [sys.executable, "-m", f"local.{module}", *(["token"] * (module == "setup"))]
        found = subprocess.run(
            command, cwd=project, env=ENVIRONMENT, capture_output=True, text=True, check=False
        )
        assert (found.returncode, found.stdout) == (1, "")
        assert found.stderr == "There is no local system yet: run `make run` first.\n"


def test_a_system_with_an_identity_provider_issues_none(project: Path) -> None:
    settings_file.ensure(project)
    path = project / settings_file.NAME
    content = json.loads(path.read_text())
    content["Values"] |= {"SUROGA_JWKS_URL": "https://id.example/keys", "SUROGA_JWT_SECRET": ""}
    path.write_text(json.dumps(content))
    found = token(project)
    assert found.returncode == 1
    assert "does not sign in locally" in found.stderr
