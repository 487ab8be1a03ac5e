"""`parapet demo`: a dozen real calls of the OpenAI SDK through a real proxy, and what became of each."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import signal
import socket
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn

from proxy.app import create_app
from proxy.backends import Answer, Asked, Backend
from proxy.backends.echo import Echo
from proxy.cli.common import Commands, add_config, loaded
from proxy.cli.serve import listen, server_config
from proxy.errors import ParapetError, SettingError
from proxy.settings import EchoBackend, Settings

MODEL = "echo"
TOOL = {"type": "function", "function": {"name": "send_receipt", "description": "Send a customer a receipt.", "parameters": {}}}
WIDTHS = (28, 28, 30, 19, 8)
HEADS = ("what was sent", "what reached the backend", "what came back", "which rule decided", "guard ms")


@dataclass(frozen=True, slots=True)
class Try:
    """One call of the demo."""

    title: str
    text: str
    stream: bool = False
    tools: bool = False
    role: str = "user"

    @property
    def messages(self) -> list[dict[str, Any]]:
        if self.role != "tool":
            return [{"role": "user", "content": self.text}]
        call = {"id": "call_0", "type": "function", "function": {"name": "read_file", "arguments": "{}"}}
        return [
            {"role": "user", "content": "Read the file."},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_0", "content": self.text},
        ]


# Made from parts, so that nobody's scanner takes them for real ones. None opens anything.
GITHUB_TOKEN = "ghp_" + "0fVx7Nq2Lr9TsWb4Ky" * 2
KIND = " PRIVATE KEY"
PRIVATE_KEY = f"-----BEGIN{KIND}-----\n{'bm90IGEga2V5' * 5}\n-----END{KIND}-----"
TRIES = (
    Try("an ordinary question", "Why is the sky blue?"),
    Try("a card number", "Charge 4111 1111 1111 1111 please"),
    Try("a number that is no card", "Order 4111 1111 1111 1112 please"),
    Try("an address and a phone number", "Write to jo@example.com, my phone is 415-555-2671"),
    Try("an API key", f"Why does {GITHUB_TOKEN} fail?"),
    Try("a password in a tool's result", "db: postgres://app:Tr0ub4dor-77@db/main", role="tool"),
    Try("a private key", f"Is this key right? {PRIVATE_KEY}"),
    Try("personal data in an answer", "Look up customer 17"),
    Try("the same, streamed", "Look up customer 17", stream=True),
    Try("… in a tool call's arguments", "call send_receipt for customer 17", tools=True),
    Try("the same, streamed", "call send_receipt for customer 17", stream=True, tools=True),
    Try("a private key in an answer", "Show the key of the server"),
    Try("the same, streamed", "Show the key of the server", stream=True),
)


def add(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser("demo", help="send a dozen calls through the proxy, show what became of them, and go on serving")
    parser.add_argument("--once", action="store_true", help="stop after the table")
    add_config(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve, call, show, and serve on."""
    if importlib.util.find_spec("openai") is None:
        raise ParapetError("the demo calls with OpenAI's SDK, which is not installed: pip install 'parapet[demo]'")
    with tempfile.TemporaryDirectory(prefix="parapet-demo-") as folder:
        records = Path(folder, "records.jsonl")
        given = loaded(arguments, record=str(records), log_level="warning")
        listener = free(given)
        heard: dict[str, str] = {}
        hearing = Hearing(Echo(MODEL, EchoBackend(kind="echo"), given), heard)
        with serving(given, listener, {MODEL: hearing}) as url:
            policies = ", ".join(map(str, given.policies))
            print(f"Parapet serves {MODEL!r} at {url}/v1 under {policies}. Calling it with OpenAI's SDK:\n")
            rows = [row(each, number, url, heard, records) for number, each in enumerate(TRIES, 1)]
            print_table(rows)
            if arguments.once:
                return 0
            go_on(url)
    return 0


def free(given: Settings) -> socket.socket:
    """The socket of the configured port, or of a free one if that is taken."""
    try:
        return listen(given)
    except SettingError:
        listener = socket.create_server((given.host, 0))
        print(f"Port {given.port} is taken; taking {listener.getsockname()[1]} instead.")
        return listener


@dataclass(slots=True)
class Hearing:
    """A backend that notes what reaches it, and lets another answer."""

    inner: Backend
    heard: dict[str, str] = field(default_factory=dict)

    async def call(self, asked: Asked) -> Answer:
        """Note the last message."""
        self.heard[asked.request_id] = asked.payload["messages"][-1]["content"]
        return await self.inner.call(asked)

    async def close(self) -> None:
        await self.inner.close()


@contextlib.contextmanager
def serving(given: Settings, listener: socket.socket, backends: Mapping[str, Backend]) -> Iterator[str]:
    """The proxy, in a thread of its own; the address at which it serves."""
    app = create_app(given, backends=backends)
    server = uvicorn.Server(server_config(given, lambda: app))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise ParapetError("the proxy did not start; its log says why")
        time.sleep(0.01)
    host, port = listener.getsockname()[:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join(given.shutdown_grace)


def row(each: Try, number: int, url: str, heard: Mapping[str, str], records: Path) -> tuple[str, ...]:
    """One call: its title and the cells of its row."""
    request_id = f"demo-{number}"
    came = called(each, url, request_id)
    record = recorded(records, request_id)
    decided = [record[way] for way in ("prompt", "completion") if record[way] and record[way]["rule"]]
    rules = [f"{each['rule']} ({each['action']})" for each in decided] or ["none matched"]
    reached = heard.get(request_id, "(nothing: it was not called)")
    return f"{number}. {each.title}", each.text, reached, came, ", ".join(dict.fromkeys(rules)), f"{record['guard_ms']:>8.2f}"


def called(each: Try, url: str, request_id: str) -> str:
    """What the application gets, as it would see it."""
    import openai

    client = openai.OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0)
    more: dict[str, Any] = {"tools": [TOOL]} if each.tools else {}
    ask: Any = client.chat.completions.create
    try:
        answer = ask(model=MODEL, messages=each.messages, stream=each.stream, extra_headers={"x-request-id": request_id}, **more)
        return streamed(answer) if each.stream else whole(answer)
    except openai.APIStatusError as error:
        return f"HTTP {error.status_code} {error.code}"


def whole(answer: Any) -> str:
    """The text, call or refusal of a whole answer."""
    [choice] = answer.choices
    message = choice.message
    call = message.tool_calls[0].function if message.tool_calls else None
    said = f"{call.name}({call.arguments})" if call else message.content or "(refused)"
    return f"{said} [{choice.finish_reason}]"


def streamed(answer: Any) -> str:
    """The same, put together from its pieces."""
    said = finish = ""
    pieces = 0
    for chunk in answer:
        for choice in chunk.choices:
            delta = choice.delta
            calls = [call.function for call in delta.tool_calls or () if call.function]
            new = (delta.content or "") + "".join((call.name or "") + (call.arguments or "") for call in calls)
            said += new
            pieces += bool(new)
            finish = choice.finish_reason or finish
    return f"{said or '(refused)'} [{finish}, {pieces} pieces]"


def recorded(records: Path, request_id: str) -> dict[str, Any]:
    """The call's decision record; it is written when the call has ended, a moment after its last byte."""
    for _ in range(200):
        for line in records.read_text().splitlines():
            record: dict[str, Any] = json.loads(line)
            if record["request_id"] == request_id:
                return record
        time.sleep(0.01)
    raise ParapetError(f"there is no decision record of the call {request_id}")


def print_table(rows: list[tuple[str, ...]]) -> None:
    """The table: a line with the title of each call, below it its cells, wrapped."""
    for title, *cells in [("", *HEADS), *rows]:
        print("─" * (sum(WIDTHS) + 3 * (len(WIDTHS) - 1)))
        if title:
            print(title)
        wrapped = [textwrap.wrap(cell.replace("\n", "⏎"), width) or [""] for cell, width in zip(cells, WIDTHS, strict=True)]
        for line in range(max(map(len, wrapped))):
            parts = [(cell[line] if line < len(cell) else "").ljust(width) for cell, width in zip(wrapped, WIDTHS, strict=True)]
            print(" │ ".join(parts).rstrip())


def go_on(url: str) -> None:
    """Say how to use it, and serve until stopped."""
    print(f"""
The proxy goes on serving. Point an application at it:
    export OPENAI_BASE_URL={url}/v1 OPENAI_API_KEY=unused
  or, in Python, openai.OpenAI(base_url="{url}/v1", api_key="unused"), with the model "{MODEL}".
Metrics: {url}/metrics    Policies in force: {url}/readyz    To put a model of yours behind it: parapet.yaml
Ctrl-C stops it.""")
    sys.stdout.flush()
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    stopped.wait()
