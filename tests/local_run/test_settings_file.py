"""local.settings.json: fresh secrets once, then the person's; PORT and STATE are followed."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest

from local import settings_file
from local.ports import Ports
from local.terminal import Stop
from shared.platform.settings import Settings, load_settings
from tests.tree import REPO

SECRETS = ("ENCRYPTION_KEYS", "LINK_KEY", "JANUS_KEY", "JWT_SECRET")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copy(REPO / settings_file.EXAMPLE, tmp_path)
    return tmp_path


def edit(root: Path, **values: Any) -> None:
    path = root / settings_file.NAME
    content = json.loads(path.read_text())
    content["Values"] |= values
    path.write_text(json.dumps(content))


def test_each_generation_has_secrets_of_its_own(root: Path) -> None:
    first = settings_file.ensure(root)
    (root / settings_file.NAME).unlink()
    second = settings_file.ensure(root)
    for name in SECRETS:
        assert first[f"SUROGA_{name}"] != second[f"SUROGA_{name}"]
        assert len(first[f"SUROGA_{name}"]) >= 43


def test_only_its_owner_reads_it_and_git_ignores_it(root: Path) -> None:
    settings_file.ensure(root)
    assert stat.S_IMODE((root / settings_file.NAME).stat().st_mode) == 0o600
    assert settings_file.NAME in (REPO / ".gitignore").read_text().split()
    assert sorted(path.name for path in root.iterdir()) == [
        ".local",
        settings_file.EXAMPLE,
        settings_file.NAME,
    ]


def test_a_later_run_changes_nothing(root: Path) -> None:
    first = settings_file.ensure(root)
    edit(root, SUROGA_VM_CAPACITY="9", MINE="kept")
    before = (root / settings_file.NAME).read_bytes()
    assert settings_file.ensure(root) == {**first, "SUROGA_VM_CAPACITY": "9", "MINE": "kept"}
    assert (root / settings_file.NAME).read_bytes() == before


def test_new_settings_arrive_and_a_secret_is_renewed_on_request(root: Path) -> None:
    first = settings_file.ensure(root)
    path = root / settings_file.NAME
    content = json.loads(path.read_text())
    del content["Values"]["SUROGA_POOL"]
    content["Values"]["SUROGA_LINK_KEY"] = settings_file.GENERATED
    path.write_text(json.dumps(content))
    after = settings_file.ensure(root)
    assert after["SUROGA_POOL"] == "0"
    assert after["SUROGA_LINK_KEY"] not in (first["SUROGA_LINK_KEY"], settings_file.GENERATED)
    assert after["SUROGA_JWT_SECRET"] == first["SUROGA_JWT_SECRET"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is not JSON (line 1"),
        ("[]", 'an object "Values"'),
        ('{"Values": {"SUROGA_POOL": 0}}', "SUROGA_POOL in local.settings.json should be a string"),
    ],
)
def test_a_broken_file_is_one_sentence(root: Path, text: str, says: str) -> None:
    (root / settings_file.NAME).write_text(text)
    with pytest.raises(Stop) as stop:
        settings_file.ensure(root)
    assert says in str(stop.value)
    assert (root / settings_file.NAME).read_text() == text


def test_port_and_state_are_followed_unless_the_person_said_otherwise(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings_file.ensure(root)
    edit(root, SUROGA_PUBLIC_URL="https://tunnel.example")
    monkeypatch.setenv("SUROGA_LOG_LEVEL", "DEBUG")
    monkeypatch.setenv("SUROGA_POOL", "")
    found = settings_file.environment(
        settings_file.ensure(root),
        settings_file.example_values(root),
        Ports.of(7171),
        Path("/data/state"),
    )
    assert found["SUROGA_PUBLIC_URL"] == "https://tunnel.example"
    assert found["SUROGA_LOCAL_VM_FOLDER"] == "/data/state/vms"
    assert found["SUROGA_LOCAL_VM_PORT"] == "8288"
    assert "TableEndpoint=http://127.0.0.1:11002/" in found["AzureWebJobsStorage"]
    assert found["SUROGA_LOG_LEVEL"] == "DEBUG"
    assert found["SUROGA_POOL"] == "0"


def test_the_example_has_the_defaults_of_the_code(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings_file.ensure(root).items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    for name, field in Settings.model_fields.items():
        values = settings.model_dump()
        default = field.get_default(call_default_factory=True, validated_data=values)
        if name != "mode" and not field.is_required() and default is not None:
            assert getattr(settings, name) == default, name


def test_every_setting_is_in_the_example_and_explained() -> None:
    example = settings_file.example_values(REPO)
    explained = (REPO / "docs/settings.md").read_text()
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias
        variable = str(alias.choices[0]) if alias else f"SUROGA_{name.upper()}"  # type: ignore[union-attr]
        assert variable in example
        assert f"`{variable}`" in explained
