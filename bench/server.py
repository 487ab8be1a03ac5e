"""Serves an application of `bench.relay` with uvicorn or granian, so that servers can be compared under the same application."""

from __future__ import annotations

import argparse
import os

from starlette.types import ASGIApp

from bench import relay

APPLICATIONS = ("relay", "parsed", "plain", "answering")
SERVERS = ("uvicorn", "granian")


def create() -> ASGIApp:
    """The application that the environment names: granian makes it in a process of its own."""
    return relay.application(os.environ["BENCH_APPLICATION"], os.environ["BENCH_BACKEND"])


def _uvicorn(application: ASGIApp, port: int) -> None:
    import uvicorn

    uvicorn.run(application, port=port, loop="uvloop", http="httptools", access_log=False, log_level="warning")


def _granian(port: int) -> None:
    from granian.constants import HTTPModes, Interfaces, Loops  # it is measured where it is installed
    from granian.server import Server

    server = Server(
        "bench.server:create",
        port=port,
        factory=True,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        websockets=False,
        log_enabled=False,
    )
    server.serve()


def main() -> None:
    """`python -m bench.server APPLICATION --backend URL --port PORT`."""
    parser = argparse.ArgumentParser(prog="python -m bench.server", description=__doc__)
    parser.add_argument("application", choices=APPLICATIONS)
    parser.add_argument("--backend", default="http://127.0.0.1:9100", help="what it relays to (http://127.0.0.1:9100)")
    parser.add_argument("--server", choices=SERVERS, default="uvicorn")
    parser.add_argument("--port", type=int, default=9101)
    arguments = parser.parse_args()
    os.environ |= {"BENCH_APPLICATION": arguments.application, "BENCH_BACKEND": arguments.backend}
    if arguments.server == "uvicorn":
        _uvicorn(create(), arguments.port)
    else:
        _granian(arguments.port)


if __name__ == "__main__":
    main()
