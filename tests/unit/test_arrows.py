"""The house's arrows point one way (docs/developer.md): who may import whom."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

MAY_IMPORT = {
    "platform": {"platform"},
    "events": {"events", "platform"},
    "audit": {"audit", "events", "platform"},
    "tenants": {"tenants", "events", "platform"},
    "janus": {"janus", "platform"},
    "bookings": {"bookings", "events", "platform", "janus"},
    "fleet": {"fleet", "bookings", "janus", "events", "platform"},
    "operators": {"operators", "events", "platform"},
    "reports": {"reports", "fleet", "calls", "bookings", "events", "platform"},
    "calls": {"calls", "audit", "fleet", "bookings", "janus", "events", "platform"},
}


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_every_domain_is_named_here() -> None:
    domains = {path.parent.name for path in (ROOT / "shared").glob("*/__init__.py")}
    assert domains == MAY_IMPORT.keys()


@pytest.mark.parametrize("domain", MAY_IMPORT)
def test_arrows_point_one_way(domain: str) -> None:
    for path in (ROOT / "shared" / domain).glob("*.py"):
        for module in _imports(path):
            top, _, rest = module.partition(".")
            assert top not in ("functions", "local", "tests"), (path, module)
            assert not module.startswith("azure.functions"), (path, module)
            assert top != "shared" or rest.split(".")[0] in MAY_IMPORT[domain], (path, module)


def test_the_heavy_sdks_are_imported_by_adapters_only() -> None:
    allowed = {
        "azure_storage.py",
        "tables_azure.py",
        "queues_azure.py",
        "client.py",
        "rehearsal.py",
        "wire.py",
        "bootstrap.py",
        "jwks.py",
        "throttle.py",
        "messenger_apprise.py",
        "compute_azure.py",
        "azure_arm.py",
    }
    heavy = (
        "apprise",
        "limits",
        "redis",
        "aiohttp",
        "azure.core",
        "azure.mgmt",
        "azure.data",
        "azure.storage",
        "azure.identity",
    )
    for path in (ROOT / "shared").rglob("*.py"):
        modules = [m for m in _imports(path) if m.startswith(heavy)]
        assert not modules or path.name in allowed | {"auth.py"}, (path, modules)
