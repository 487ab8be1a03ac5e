"""The peers, each in an environment of its own at a pinned version: `python -m bench.peers` sets up those that are missing."""

from __future__ import annotations

import argparse
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

FOLDER = Path(__file__).resolve().parent.parent / "build" / "peers"
CONSTRAINTS = FOLDER.parent.parent / "constraints.txt"
DONE = "ready"  # the file that says that a set-up came to its end, and what it installed


@dataclass(frozen=True, slots=True)
class Peer:
    """What is installed, from a public registry."""

    name: str
    kind: Literal["pip", "npm"]
    packages: tuple[str, ...]
    constrained: bool = False  # what it needs besides comes at the versions of constraints.txt: pip finds them sooner


PEERS = (
    Peer("litellm", "pip", ("litellm[proxy]==1.106.2", "presidio-analyzer==2.2.366", "presidio-anonymizer==2.2.366")),
    Peer("nemo", "pip", ("nemoguardrails[server]==0.24.1", "langchain-openai>=0.3", "yara-python==4.5.4"), constrained=True),
    Peer(
        "llm-guard",
        "pip",
        ("llm-guard==0.3.16", "starlette>=0.41", "aiohttp>=3.11", "uvicorn>=0.30", "uvloop", "httptools", "orjson"),
    ),
    Peer("portkey", "npm", ("@portkey-ai/gateway@1.15.2",)),
)


def ready(name: str) -> bool:
    """Whether a peer is set up as the table has it."""
    peer = next(each for each in PEERS if each.name == name)
    done = FOLDER / name / DONE
    return done.exists() and done.read_text().split() == list(peer.packages)


def version(name: str) -> str:
    """What is installed of a peer."""
    return " ".join((FOLDER / name / DONE).read_text().split()[:1]) if ready(name) else ""


def set_up(peer: Peer) -> None:
    """Install a peer and compile it: without that it would start more slowly than its makers meant. Raises CalledProcessError."""
    folder = FOLDER / peer.name
    folder.mkdir(parents=True, exist_ok=True)
    if peer.kind == "npm":
        (folder / "package.json").write_text('{"private": true}\n')
        run(["npm", "install", "--no-fund", "--no-audit", "--loglevel=error", *peer.packages], folder)
    else:
        venv.create(folder, with_pip=True, symlinks=True)
        known = ["-c", str(CONSTRAINTS)] if peer.constrained else []
        run([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *known, *peer.packages], folder)
        run([str(folder / "bin" / "python"), "-m", "compileall", "-q", "-j", "0", "lib"], folder, check=False)
    (folder / DONE).write_text("\n".join(peer.packages) + "\n")


def run(command: Sequence[str], folder: Path, *, check: bool = True) -> None:
    """A command of the set-up."""
    subprocess.run(command, cwd=folder, check=check)


def main() -> int:
    """Set up those that are named, or all; what could not be is said, and the others go on."""
    names = [peer.name for peer in PEERS]
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}; all, if none is named")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(names):
        parser.error(f"{', '.join(sorted(unknown))}: expected names of {', '.join(names)}")
    failed = 0
    for peer in PEERS:
        if ready(peer.name) or (arguments.names and peer.name not in arguments.names):
            continue
        print(f"setting up {peer.name}: {' '.join(peer.packages)}", file=sys.stderr, flush=True)
        try:
            set_up(peer)
        except (subprocess.CalledProcessError, OSError) as problem:
            print(f"{peer.name} could not be set up: {problem}", file=sys.stderr)
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
