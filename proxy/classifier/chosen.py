"""Which classifier of one's own a rule means, and whether it can be read; looked at without importing what would read it."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path

from proxy.errors import ModelError

KINDS_OF_NETWORK = "ForSequenceClassification"


@dataclass(frozen=True, slots=True)
class Chosen:
    """A folder as it is now. `several`: a text can have several of the labels."""

    folder: Path
    several: bool
    state: tuple[tuple[str, int, int], ...]  # of its files: one that is replaced makes another model

    def alike(self, other: Chosen) -> bool:
        """Whether both are of one folder, whatever its files were."""
        return (self.folder, self.several) == (other.folder, other.several)


def chosen(folder: Path, *, several: bool) -> Chosen:
    """The model in a folder, with the state of its files."""
    stats = [(file.name, file.stat()) for file in files(folder)]
    return Chosen(folder, several, tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats))


def files(folder: Path) -> list[Path]:
    """The files of a folder; none where there is none."""
    return sorted(file for file in folder.iterdir() if file.is_file()) if folder.is_dir() else []


def usable(folder: Path) -> None:
    """Say at once what would go wrong later. Raises ModelError."""
    if importlib.util.find_spec("transformers") is None:
        raise ModelError("a classifier of one's own needs the extra `transformers`: pip install 'parapet[transformers]'")
    if not folder.is_dir():
        raise ModelError(
            f"{folder}: expected a folder with a sequence classifier as transformers saves it; nothing is downloaded"
        )
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError):
        raise ModelError(f"{folder / 'config.json'}: expected the configuration of a model as transformers saves it") from None
    networks = config.get("architectures") if isinstance(config, dict) else None
    if not isinstance(networks, list) or not any(str(name).endswith(KINDS_OF_NETWORK) for name in networks):
        raise ModelError(f"{folder / 'config.json'}: expected a network of the kind {KINDS_OF_NETWORK}, not {networks}")
    if "auto_map" in config:
        raise ModelError(f"{folder / 'config.json'}: the model brings code of its own (auto_map), which is never run")
    if not any(file.suffix == ".safetensors" for file in files(folder)):
        raise ModelError(f"{folder}: expected weights as .safetensors; other formats can run code when they are read")
