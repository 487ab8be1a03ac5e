"""`parapet serve`: the proxy, in one process or several."""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.supervisors import Multiprocess

from proxy import logs, metrics, settings
from proxy.app import Application, create_app
from proxy.cli.common import Commands, add_config, loaded
from proxy.cli.stopping import Stopping
from proxy.errors import SettingError
from proxy.settings import Settings

ENDING = "ending"  # the file in the shared folder that says that all workers stop, and not one of them
YOUNG = 10_000  # more objects made than let go of, before the collector looks at those
SHARED = "PROMETHEUS_MULTIPROC_DIR"  # the variable by which prometheus-client's processes count together


def add(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "serve", help="serve the proxy (without a configuration: the shipped policies, the embedded backend)"
    )
    add_config(parser)
    parser.add_argument("--host", help="the address to listen on")
    parser.add_argument("--port", type=int, help="the port to listen on; 0 takes a free one")
    parser.add_argument("--workers", type=int, help="the number of processes")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until stopped."""
    told = {name: getattr(arguments, name) for name in ("host", "port", "workers")}
    given = loaded(arguments, **told)
    listener = listen(given)
    hand_down(arguments, {**told, "port": listener.getsockname()[1]})
    if given.workers == 1:
        return serve(given, listener)
    with tempfile.TemporaryDirectory(prefix="parapet-metrics-") as folder:
        shared = Path(os.environ.setdefault(SHARED, folder))
        metrics.fresh(shared)
        (shared / ENDING).unlink(missing_ok=True)
        return serve_many(given, listener, shared)


def listen(given: Settings) -> socket.socket:
    """The socket that is served. Raises SettingError when the address cannot be had."""
    family = socket.AF_INET6 if ":" in given.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((given.host, given.port))
    except OSError as error:
        listener.close()
        place = given.source("port" if given.source("port") != "default" else "host")
        raise SettingError(
            "host and port", f"{given.host}:{given.port}", f"an address that is free ({error.strerror})", place
        ) from None
    listener.set_inheritable(True)
    return listener


def hand_down(arguments: argparse.Namespace, told: dict[str, object]) -> None:
    """What the command line says, in the variables from which worker processes read their settings."""
    if arguments.config:
        os.environ["PARAPET_CONFIG"] = str(Path(arguments.config).resolve())
    os.environ.update({f"PARAPET_{name.upper()}": str(value) for name, value in told.items() if value is not None})


def serve(given: Settings, listener: socket.socket) -> int:
    """One process."""
    logs.configure(given.log_level, given.log_format)
    app = frozen(create_app(given))
    announce(given, listener)
    uvicorn.Server(server_config(given, lambda: Stopping(app.draining).heeded(app))).run([listener])
    return 0


def serve_many(given: Settings, listener: socket.socket, shared: Path) -> int:
    """Several processes behind one socket; one that dies is replaced."""
    logs.configure(given.log_level, given.log_format)
    config = server_config(given, "proxy.cli.serve:worker")
    announce(given, listener)
    Workers(config, [listener], shared).run()
    return 0


class Workers(Multiprocess):
    """Several processes; when one has ended, for whatever reason, its gauges and its files go with it."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket], shared: Path) -> None:
        super().__init__(config, sockets)
        self.shared = shared
        self.known: set[int] = set()

    def keep_subprocess_alive(self) -> None:
        """Replace those that have died. A signal may have ended some, too, since this was last called."""
        self.known |= self.pids()
        super().keep_subprocess_alive()
        now = self.pids()
        for pid in self.known - now:
            metrics.process_died(self.shared, pid)
        self.known = now

    def terminate_all(self) -> None:
        """All are told to stop: none of them is replaced, and each that still has calls answers for all that are new."""
        (self.shared / ENDING).touch()
        super().terminate_all()

    def pids(self) -> set[int]:
        return {process.pid for process in self.processes if process.pid is not None}


def worker() -> Application:
    """The application of one worker process, from the variables that its parent set."""
    threading.Thread(target=follow, name="parapet-parent", daemon=True).start()
    given = settings.load(None, os.environ, {})
    logs.configure(given.log_level, given.log_format)
    shared = Path(os.environ[SHARED])
    app = frozen(create_app(given, shared_metrics=shared))
    return Stopping(app.draining, shared / ENDING).heeded(app)


def follow() -> None:
    """Stop when the parent is gone: nobody would replace this process or stop it, and it would keep the port."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def frozen(app: Application) -> Application:
    """The application, with all that it has made so far taken out of the garbage collector's sight.

    It stays until the process ends, and looking through it again and again is a tenth of the time of a stream. The collector
    looks less often, too: what calls make goes by itself when they end, and only the little that is left in circles needs it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG)
    return app


def server_config(given: Settings, app: Any) -> uvicorn.Config:
    """How the server is set up, for a function that makes an application, or for its name."""
    return uvicorn.Config(
        app,
        factory=True,
        workers=given.workers,
        loop="uvloop",
        http="httptools",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=max(1, round(given.shutdown_grace)),
    )


def announce(given: Settings, listener: socket.socket) -> None:
    """Say where the proxy is."""
    host, port = listener.getsockname()[:2]
    where = f"[{host}]" if ":" in host else host
    print(f"parapet: http://{where}:{port}/v1 serves {', '.join(given.pools)}; metrics at /metrics", file=sys.stderr)
