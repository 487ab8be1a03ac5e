"""What import-linter cannot say: which libraries and which state of the process only certain layers may touch."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

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
TREES = {module: ast.parse(module.read_text()) for module in sorted(PACKAGE.rglob("*.py"))}


def layer(module: Path) -> str:
    """The layer that a module belongs to."""
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(tree: ast.Module) -> set[str]:
    """The top-level names that a module imports, wherever in it."""
    nodes = list(ast.walk(tree))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return {name.partition(".")[0] for name in plain | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}}


def reads(tree: ast.Module) -> set[str]:
    """The attributes by which a module reads the environment."""
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} & {"environ", "getenv"}


def test_a_library_is_known_only_where_it_is_at_home() -> None:
    """Torch in one layer, the server and the HTTP client at the edge."""
    known = [(module, name) for module, tree in TREES.items() for name in imported(tree) & AT_HOME.keys()]
    assert {"torch", "starlette", "prometheus_client"} <= {name for _, name in known}
    assert [(module, name) for module, name in known if layer(module) not in AT_HOME[name]] == []


def test_the_environment_is_read_by_the_command_alone_and_given_to_the_settings() -> None:
    """`os.environ` and `os.getenv` are nowhere else, so that every variable is in the table of settings."""
    library = PACKAGE / "backends" / "library.py"  # it writes those that LiteLLM reads while it is imported
    assert library.read_text().count("os.environ") == library.read_text().count("os.environ[name] = value") == 1
    assert [module for module, tree in TREES.items() if reads(tree) and layer(module) != "cli" and module != library] == []


def test_no_module_has_the_name_of_one_of_the_standard_library() -> None:
    """`import secrets` must mean what a reader thinks it means."""
    assert [module for module in TREES if module.stem in sys.stdlib_module_names] == []


def test_a_module_opens_with_a_sentence() -> None:
    """That says what it is for."""
    first = {module: (ast.get_docstring(tree) or "").partition("\n")[0] for module, tree in TREES.items()}
    assert [module for module, line in first.items() if not line.endswith((".", ":"))] == []
