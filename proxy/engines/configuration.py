"""What a policy says of an engine: Presidio's own configuration, written there or in a YAML file, with paths made whole."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from proxy.errors import ModelError

KNOWN = ("spacy", "stanza", "transformers", "gliner")
MOST = 1000  # files of a model that are looked at for changes


def configuration(given: Mapping[str, Any] | str, folder: Path) -> dict[str, Any]:
    """Presidio's configuration; its paths are relative to `folder`, or to the file that it stands in. Raises ModelError."""
    if isinstance(given, str):
        file = (folder / given).resolve()
        return configuration(read(file), file.parent)
    name, models = given.get("nlp_engine_name"), given.get("models")
    if name not in KNOWN:
        raise ModelError(f"expected nlp_engine_name, one of {', '.join(KNOWN)}; the patterns need no engine")
    if not isinstance(models, list) or len(models) != 1 or not isinstance(models[0], dict):
        raise ModelError("expected models, a list of one with lang_code and model_name: texts come without their language")
    if not isinstance(models[0].get("lang_code"), str) or not models[0].get("model_name"):
        raise ModelError("expected lang_code and model_name of the model, as Presidio's configuration has them")
    return {**given, "models": [{**models[0], "model_name": whole(models[0]["model_name"], folder)}]}


def read(file: Path) -> dict[str, Any]:
    """The configuration in a file. Raises ModelError."""
    try:
        made = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        raise ModelError(f"{file}: it cannot be read as YAML ({type(error).__name__})") from None
    if not isinstance(made, dict):
        raise ModelError(f"{file}: expected a configuration of Presidio's NlpEngineProvider")
    return json.loads(json.dumps(made, default=str))  # type: ignore[no-any-return]  # the same, of what JSON has alone


def whole(name: Any, folder: Path) -> Any:
    """The path of a model that lies in a folder; what is the name of a package stays."""
    if isinstance(name, dict):
        return {key: whole(value, folder) for key, value in name.items()}
    path = folder / str(name)
    return str(path.resolve()) if path.exists() else name


def files(given: Mapping[str, Any] | str, folder: Path) -> Iterator[Path]:
    """What an engine is read from, as far as it lies in files. Raises ModelError."""
    if isinstance(given, str):
        yield (folder / given).resolve()
    name = configuration(given, folder)["models"][0]["model_name"]
    for each in name.values() if isinstance(name, dict) else (name,):
        found = (path for path in sorted(Path(each).rglob("*")) if path.is_file()) if Path(each).is_absolute() else iter(())
        yield from (path for _, path in zip(range(MOST), found, strict=False))
