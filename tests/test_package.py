"""What is shipped: the wheel, as an empty environment sees it once it is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.slow
ASK = "import importlib.metadata, json, pkgutil, sys; "
NAMES = "print(sorted(m.name for m in pkgutil.iter_modules([p for p in sys.path if p.endswith('site-packages')])))"


def run(*command: str | Path) -> str:
    """What a command prints; it runs outside of the checkout, so that nothing there can be imported."""
    told = subprocess.run(command, check=False, capture_output=True, text=True, cwd="/", env={"PATH": os.environ["PATH"]})
    assert told.returncode == 0, told.stdout + told.stderr
    return told.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that holds the wheel and nothing else, not even pip."""
    folder = tmp_path_factory.mktemp("package")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT)
    (wheel,) = folder.glob("parapet-*-py3-none-any.whl")
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv")
    python = folder / "venv" / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", "--no-compile", wheel)
    return folder / "venv"


def site(environment: Path) -> Path:
    """Where its packages are."""
    return next(environment.glob("lib/python*/site-packages"))


def test_nothing_but_proxy_can_be_imported(environment: Path) -> None:
    """No top-level models, tests or dashboards."""
    assert run(environment / "bin" / "python", "-c", ASK + NAMES) == "['proxy']\n"
    assert sorted(path.name for path in site(environment).iterdir() if path.suffix != ".dist-info") == ["proxy"]


def test_the_command_is_there(environment: Path) -> None:
    """Installing the wheel is enough to have `parapet` on the path."""
    assert "proxy.cli" in (environment / "bin" / "parapet").read_text()


def test_the_shipped_policies_are_in_it(environment: Path) -> None:
    """Every one of the checkout, tests among them, byte for byte."""
    shipped = {path.name: path.read_bytes() for path in (site(environment) / "proxy" / "shipped_policies").rglob("*.yaml")}
    assert shipped
    assert shipped == {path.name: path.read_bytes() for path in (ROOT / "policies").rglob("*.yaml")}


def test_the_shipped_models_are_in_it(environment: Path) -> None:
    """Every file of the folders that rules read, byte for byte, and nothing of what made them."""
    folder = site(environment) / "proxy" / "shipped_models"
    shipped = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    kept = [
        path
        for name in ("encoder", "screen", "glance", "intent")
        for path in (ROOT / "models" / name).rglob("*")
        if path.is_file()
    ]
    assert shipped == {path.relative_to(ROOT / "models"): path.read_bytes() for path in kept}


def test_proxy_finds_the_policies_that_came_with_it(environment: Path) -> None:
    """The module that knows needs libraries, which are lent to the empty environment."""
    lent = f"sys.path.extend({[p for p in sys.path if p.endswith('site-packages')]!r}); "
    found = run(
        environment / "bin" / "python", "-c", f"{ASK}{lent}from proxy import settings; print(settings.shipped_policies())"
    )
    assert found.strip() == str(site(environment) / "proxy" / "shipped_policies")


def test_version_and_licence_are_in_it(environment: Path) -> None:
    """The version is the package's own."""
    told = run(
        environment / "bin" / "python",
        "-c",
        ASK + "import proxy; print(importlib.metadata.version('parapet'), proxy.__version__)",
    )
    first, second = told.split()
    assert first == second
    (info,) = site(environment).glob("parapet-*.dist-info")
    assert "Apache License" in (info / "licenses" / "LICENSE").read_text()
