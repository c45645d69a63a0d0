"""The arrows between the rings, and what a cold start may cost."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

OURS = ("shared", "functions", "function_app", "local", "tests", "bench")
AZURE_AND_HTTP = ("azure", "msal", "requests", "aiohttp", "httpx", "opentelemetry")
"""What only adapters may speak to. `azure.functions` is the host's, not a service's."""

ARROWS: dict[str, tuple[str, ...]] = {
    "shared/domain": ("shared.domain",),
    "shared/clouds.py": (),
    "shared/settings.py": ("shared.domain", "shared.clouds"),
    "shared/services": ("shared.domain", "shared.services"),
    "shared/adapters": ("shared.domain", "shared.services.ports", "shared.settings", "shared.adapters"),
    "shared/web": ("shared.domain", "shared.services", "shared.settings", "shared.web"),
    "functions": ("shared.domain", "shared.services", "shared.web", "shared.bootstrap", "functions"),
    "function_app.py": ("functions",),
}
"""What each place may import of the product itself. `shared/bootstrap.py` knows everyone."""

HOST_SDK = ("shared/web", "functions", "function_app.py")
HEAVY = ("azure.identity", "azure.data.tables", "azure.keyvault", "azure.core", "azure.storage", "msal", "requests",
         "aiohttp", "azure.eventgrid", "azure.monitor", "opentelemetry", "jwt", "cryptography")  # fmt: skip


def sources(place: str) -> list[Path]:
    path = ROOT / place
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


def imports(tree: ast.AST) -> Iterator[str]:
    """The full name of every import, at the top or inside a function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def violations(place: str, forbidden: tuple[str, ...], allowed: tuple[str, ...]) -> list[str]:
    return [
        f"{source.relative_to(ROOT)} imports {name}"
        for source in sources(place)
        for name in imports(ast.parse(source.read_text()))
        if within(name, forbidden) and not within(name, allowed)
    ]


@pytest.mark.parametrize("place", sorted(ARROWS))
def test_arrows_point_inward_only(place: str) -> None:
    assert sources(place), "the place moved; so must its arrow"
    assert violations(place, OURS, ARROWS[place]) == []


def test_every_source_of_the_product_has_its_arrow() -> None:
    covered = {source for place in ARROWS for source in sources(place)}
    known = covered | {ROOT / "shared/bootstrap.py", ROOT / "shared/__init__.py"}
    assert {source for place in ("shared", "functions") for source in sources(place)} <= known


@pytest.mark.parametrize("place", sorted({*ARROWS, "shared/bootstrap.py"} - {"shared/adapters"}))
def test_only_adapters_speak_to_azure(place: str) -> None:
    allowed = ("azure.functions",) if place in HOST_SDK else ()
    assert violations(place, AZURE_AND_HTTP, allowed) == []


def test_adapters_know_nothing_of_the_host() -> None:
    assert violations("shared/adapters", ("azure.functions",), ()) == []


def test_bootstrap_imports_adapters_only_when_it_builds_something() -> None:
    tree = ast.parse((ROOT / "shared/bootstrap.py").read_text())
    at_import = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [name for node in at_import for name in imports(node)]
    assert not [name for name in names if within(name, ("shared.adapters",))]
    assert [name for name in imports(tree) if within(name, ("shared.adapters",))]


def test_importing_the_app_loads_no_heavy_sdk_and_touches_no_network() -> None:
    script = f"""
import socket, sys
def refuse(*args, **kwargs):
    raise SystemExit("a socket was opened at import")
socket.socket.__init__ = refuse
socket.getaddrinfo = refuse
import function_app
loaded = [name for name in {HEAVY!r} if name in sys.modules]
sys.exit(f"loaded at import: {{loaded}}" if loaded else 0)
"""
    fresh = subprocess.run(  # noqa: S603 -- our own interpreter and script
        [sys.executable, "-c", script], cwd=ROOT, env={}, capture_output=True, text=True, timeout=60, check=False
    )
    assert fresh.returncode == 0, fresh.stderr
