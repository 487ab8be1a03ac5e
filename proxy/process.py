"""A process of our own for what others wrote: it hears and says everything over one socket, and ends when that does."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

LONGEST_PAUSE = 60.0  # seconds until a process that dies again and again is started once more
HOME = str(Path(__file__).parents[1])  # where the package lies, whatever paths the process would look at
BEGIN = (
    "import os, sys; os.environ.update(told.split('=', 1) for told in sys.argv[4:]); sys.path.insert(0, sys.argv[1]); "
    "from importlib import import_module; import_module(sys.argv[2]).main(int(sys.argv[3]))"
)


def started(module: str, *variables: str) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """The socket to a new process, and the process. It runs the `main` of a module of ours with its end of the socket.

    `variables`: NAME=VALUE, for its environment beside ours. Raises OSError when there are no more processes or files to be had.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            child = subprocess.Popen(  # noqa: S603 - our own module, by our own interpreter
                [sys.executable, "-P", "-c", BEGIN, HOME, module, str(theirs.fileno()), *variables],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # what is printed there may be a user's text
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # a signal of the terminal's is for us: it ends when we do
            )
        except OSError:
            ours.close()
            raise
    return ours, child


def pause(deaths: int) -> float:
    """Seconds until a process that has died so often in a row is started again."""
    return min(LONGEST_PAUSE, 2.0 ** (deaths - 1) - 1)
