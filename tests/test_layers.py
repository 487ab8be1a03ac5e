"""What import-linter cannot say: which libraries and which state of the process only certain layers may touch."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "proxy"
EDGE = {"cli", "app", "gateway", "backends"}
AT_HOME = {
    "torch": {"classifier"},
    "transformers": {"classifier"},
    "starlette": EDGE | {"guarding"},
    "aiohttp": EDGE | {"outside", "uninspected"},
    "uvicorn": {"cli"},
    "httpx": {"backends"},  # as LiteLLM needs it
    "openai": {"cli"},
    "nemoguardrails": {"rails"},
    "litellm": {"backends"},
    "presidio_analyzer": {"checks", "engines"},
    "prometheus_client": {"metrics"},
    "opentelemetry": {"traces"},
    "cryptography": {"operators"},
    "redis": {"vault"},
}
MODULES = sorted(PACKAGE.rglob("*.py"))


def layer(module: Path) -> str:
    """The layer that a module belongs to."""
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(module: Path) -> set[str]:
    """The top-level names that a module imports, wherever in it."""
    nodes = list(ast.walk(ast.parse(module.read_text())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return {name.partition(".")[0] for name in plain | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_library_is_known_only_where_it_is_at_home(module: Path) -> None:
    """Torch in one layer, the server and the HTTP client at the edge."""
    strangers = [name for name in imported(module) & AT_HOME.keys() if layer(module) not in AT_HOME[name]]
    assert strangers == []


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_environment_is_read_by_the_command_alone_and_given_to_the_settings(module: Path) -> None:
    """`os.environ` and `os.getenv` are nowhere else, so that every variable is in the table of settings."""
    reads = {node.attr for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.Attribute)} & {
        "environ",
        "getenv",
    }
    if module == PACKAGE / "backends" / "library.py":  # it writes those that LiteLLM reads while it is imported
        assert module.read_text().count("os.environ") == module.read_text().count("os.environ[name] = value") == 1
        return
    assert reads == set() or layer(module) == "cli"


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_has_the_name_of_one_of_the_standard_library(module: Path) -> None:
    """`import secrets` must mean what a reader thinks it means."""

    assert module.stem not in sys.stdlib_module_names


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_opens_with_a_sentence(module: Path) -> None:
    """That says what it is for."""
    assert (ast.get_docstring(ast.parse(module.read_text())) or "").partition("\n")[0].endswith((".", ":"))
