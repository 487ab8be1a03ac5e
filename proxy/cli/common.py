"""What several commands share: where settings and policies come from."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from proxy import settings
from proxy.backends import pools
from proxy.errors import ParapetError, SettingError
from proxy.outside import Outside
from proxy.settings import Settings

Commands = Any  # argparse gives its subparsers no public type


def add_config(parser: argparse.ArgumentParser) -> None:
    """`--config`, which every command that reads settings takes."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="the configuration file (default: PARAPET_CONFIG, if set)")


def loaded(arguments: argparse.Namespace, **overrides: object) -> Settings:
    """The settings in force for a command. Raises SettingError, FileError."""
    return settings.load(arguments.config, os.environ, overrides)


def outside(given: Settings) -> Outside:
    """Whom checks may ask when a command runs them: the services and pools of the settings."""
    return Outside(given, lambda: pools(given))


def binary(stream: TextIO | None, name: str) -> BinaryIO:
    """The bytes below a standard stream. Raises ParapetError when the command was started without it."""
    if stream is None:
        raise ParapetError(f"{name} is closed: start the command with a file, a pipe or a terminal there")
    return stream.buffer


def policy_files(names: list[str], given: Settings) -> tuple[Path, ...]:
    """The files that names stand for: paths as they are, other names as policies in the folders in force. Raises SettingError."""
    return tuple(policy_file(name, given) for name in names) or given.policies


def policy_file(name: str, given: Settings) -> Path:
    """One policy file or folder, by path or by name."""
    path = Path(name)
    if path.exists():
        return path
    folders = [folder for folder in (*given.policies, settings.shipped_policies()) if folder.is_dir()]
    for folder in folders:
        for suffix in (".yaml", ".yml"):
            found = folder / f"{name}{suffix}"
            if found.exists():
                return found
    known = sorted({file.stem for folder in folders for file in folder.glob("*.y*ml") if not file.stem.endswith("_test")})
    raise SettingError("policy", name, f"the path of a policy file or folder, or one of {', '.join(known)}", "the command line")
