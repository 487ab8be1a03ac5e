"""How values are written: what is accepted, what to say of the rest, and how to show them again."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

SHIPPED = "shipped"
DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(ms|s|m|h)")
SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
SIZE = re.compile(r"([0-9]{1,15})\s*([kKMG]i?B|B)?")
BYTES = {"GiB": 2**30, "MiB": 2**20, "KiB": 2**10, "kiB": 2**10, "GB": 10**9, "MB": 10**6, "kB": 10**3, "KB": 10**3, "B": 1}
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
URL = re.compile(r"https?://[^\s/?#]+(/[^\s?#]*)?")
SHARE = re.compile(r"[0-9](\.[0-9]{1,9})?")
PLACE = re.compile(r"memory|rediss?://[^\s/@]+(/[0-9]{1,5})?(\?[^\s@]*)?|unix://[^\s@]+")
WHOLE = re.compile(r"[0-9]{1,15}")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of value: what to say when it is wrong, and how to show one that is right."""

    expected: str
    show: Callable[[Any], str] = str
    nested: bool = False  # lists and mappings, which a variable holds as YAML or JSON


def seconds(value: object) -> float:
    """A duration as people write it, in seconds; ValueError when it is none."""
    if not isinstance(value, bool) and value in (0, "0"):
        return 0.0
    if isinstance(value, str) and (found := DURATION.fullmatch(value.strip())):
        return round(float(found[1]) * SECONDS[found[2]], 9)
    raise ValueError(f"expected {DURATIONS.expected}")


def show_seconds(value: float) -> str:
    """A duration in the largest unit that keeps it whole: 300.0 is 5m."""
    if not value:
        return "0"
    unit = next((unit for unit, size in SECONDS.items() if (value / size).is_integer()), "ms")
    return f"{value / SECONDS[unit]:.15g}{unit}"


def size(value: object) -> int:
    """A size as people write it, in bytes; ValueError when it is none."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and (found := SIZE.fullmatch(value.strip())):
        return int(found[1]) * BYTES[found[2] or "B"]
    raise ValueError(f"expected {SIZES.expected}")


def show_size(value: int) -> str:
    """A size in the largest unit that keeps it whole: 1048576 is 1MiB."""
    unit = next((unit for unit, size in BYTES.items() if value and value % size == 0), "B")
    return f"{value // BYTES[unit]}{unit}"


def whole(value: object) -> int:
    """A whole number, or the digits of one; ValueError for anything else, true and 1.0 among it."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and WHOLE.fullmatch(value.strip()):
        return int(value)
    raise ValueError("expected a whole number")


def share(value: object) -> float:
    """A share of a whole, from a number or the digits of one; ValueError for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and SHARE.fullmatch(value.strip()):
        return float(value)
    raise ValueError(f"expected {SHARES.expected}")


def shipped_policies() -> Path:
    """The folder of the policies that ship with Parapet: inside the package when installed, beside it in a checkout."""
    package = Path(__file__).parent.parent
    packed = package / "shipped_policies"
    return packed if packed.is_dir() else package.parent / "policies"


def shipped_models() -> Path:
    """The folder of the models that ship with Parapet, in the same manner."""
    package = Path(__file__).parent.parent
    packed = package / "shipped_models"
    return packed if packed.is_dir() else package.parent / "models"


def folder(value: object) -> Path:
    """A folder from a text; `shipped` stands for that of our models."""
    if not isinstance(value, str | Path) or not str(value).strip():
        raise ValueError(f"expected {FOLDERS.expected}")
    return shipped_models() if value == SHIPPED else Path(str(value).strip()).expanduser()


def show_folder(value: Path) -> str:
    """A folder as a variable names it."""
    return SHIPPED if value == shipped_models() else str(value)


def paths(value: object) -> tuple[Path, ...]:
    """Paths from a list, or from one text that separates them with commas or as PATH does; `shipped` stands for ours."""
    parts = re.split(f"[,{re.escape(os.pathsep)}]", value) if isinstance(value, str) else value
    if not isinstance(parts, list | tuple) or not parts or not all(isinstance(p, str | Path) and str(p).strip() for p in parts):
        raise ValueError(f"expected {PATHS.expected}")
    return tuple(shipped_policies() if p == SHIPPED else Path(str(p).strip()).expanduser() for p in parts)


def show_paths(value: tuple[Path, ...]) -> str:
    """Paths as a variable names them."""
    return ",".join(SHIPPED if path == shipped_policies() else str(path) for path in value)


def fits(kind: Kind, is_good: Callable[[Any], object]) -> AfterValidator:
    """Holds a value of the right type to more than its type, in words of ours."""

    def check(value: Any) -> Any:
        if not is_good(value):
            raise ValueError(f"expected {kind.expected}")
        return value

    return AfterValidator(check)


DURATIONS = Kind("a duration such as 200ms, 2s or 5m", show_seconds)
PAUSES = Kind("a duration such as 200ms, 2s or 5m, or 0", show_seconds)
SIZES = Kind("a size such as 32MiB, 32MB or a number of bytes", show_size)
PATHS = Kind("policy files or folders of them; the word shipped stands for those that come with Parapet", show_paths)
FOLDERS = Kind("a folder; the word shipped stands for that of the models that come with Parapet", show_folder)
COUNTS = Kind("a whole number from 1 up")
AMOUNTS = Kind("a whole number from 0 up")
PORTS = Kind("a port number from 0 to 65535")
NAMES = Kind("a text")
VARIABLES = Kind("the name of an environment variable")
URLS = Kind("an address that begins with http:// or https://")
PLACES = Kind("memory, or an address that begins with redis://, rediss:// or unix://, without a name and password")

RECEIVERS = Kind("an address that begins with http:// or https://, or off")
SHARES = Kind("a number from 0 to 1")

Share = Annotated[float, BeforeValidator(share), fits(SHARES, lambda n: 0.0 <= n <= 1.0), SHARES]
Seconds = Annotated[float, BeforeValidator(seconds), PAUSES]
Positive = Annotated[float, BeforeValidator(seconds), fits(DURATIONS, bool), DURATIONS]
Size = Annotated[int, BeforeValidator(size), fits(SIZES, bool), SIZES]
Count = Annotated[int, BeforeValidator(whole), fits(COUNTS, lambda n: n >= 1), COUNTS]
Amount = Annotated[int, BeforeValidator(whole), fits(AMOUNTS, lambda n: n >= 0), AMOUNTS]
Flag = Annotated[bool, Kind("true or false", lambda value: str(value).lower())]
Port = Annotated[int, BeforeValidator(whole), fits(PORTS, lambda n: 0 <= n <= 65535), PORTS]
Name = Annotated[str, fits(NAMES, str.strip), NAMES]
Paths = Annotated[tuple[Path, ...], BeforeValidator(paths), PATHS]
Folder = Annotated[Path, BeforeValidator(folder), FOLDERS]
Variable = Annotated[str, fits(VARIABLES, VARIABLE.fullmatch), VARIABLES]
Receiver = Annotated[str, fits(RECEIVERS, lambda url: url == "off" or URL.fullmatch(url)), RECEIVERS]
Url = Annotated[str, fits(URLS, URL.fullmatch), URLS]
Place = Annotated[str, fits(PLACES, PLACE.fullmatch), PLACES]
