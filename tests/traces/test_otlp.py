"""Spans reach a real OTLP receiver over HTTP: one for each step, joined to the caller's trace, without a word of text."""

from __future__ import annotations

import asyncio
import http.server
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextvars import copy_context
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import orjson
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from proxy import logs
from proxy.core import CALLED, Ids
from proxy.settings import Settings
from proxy.traces import NOTHING, Traces, current, step
from tests.world import BLOCK, CARD, IBAN, MAIL, MARKER, REDACT, STREAM, ask, chunk, completion, event, misbehaving, piece, world
from tests.world import http as answer

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CALLER = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "vendor=x"}
UNKEPT = {"traceparent": f"00-{TRACE}-{SPAN}-00"}
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}


@dataclass
class Receiver:
    """An OTLP receiver: what it was sent."""

    url: str = ""
    spans: list[Span] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    status: int = 200

    def named(self, name: str) -> Span:
        """The one span of this name."""
        [found] = [span for span in self.spans if span.name == name]
        return found


def said(span: Span) -> dict[str, Any]:
    """A span's attributes."""
    return {each.key: getattr(each.value, str(each.value.WhichOneof("value"))) for each in span.attributes}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A server on the loopback that understands what OpenTelemetry's collectors understand."""
    made = Receiver()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            made.bodies.append(body)
            made.paths.append(self.path)
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    made.spans += scope.spans
            self.send_response(made.status)
            self.send_header("content-type", "application/x-protobuf")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


Call = dict[str, Any]


def served(tmp_path: Path, policy: str, replies: list[bytes], calls: list[Call], **settings: Any) -> list[dict[str, str]]:
    """The heads of what the backend was sent; it answers with the replies. When this ends, all spans have been sent."""
    heads: list[dict[str, str]] = []

    async def behave(request: Any, writer: asyncio.StreamWriter, _: asyncio.StreamReader) -> None:
        writer.write(replies.pop(0))

    async def main() -> None:
        async with misbehaving(behave, heads) as address, world(tmp_path, policy, backend=address, **settings) as parapet:
            for call in calls:
                body = ask(call.get("text", "hello"), **call.get("more", {}))
                await parapet.client.post("/v1/chat/completions", json=body, headers=call.get("headers", {}))

    asyncio.run(main())
    return heads


def test_a_call_is_a_trace_with_a_span_for_each_step(tmp_path: Path, receiver: Receiver) -> None:
    """In the caller's trace: the call, both guards, each check, the backend; the backend is told which span it is part of."""
    reply = answer(orjson.dumps({**completion(f"{CARD} {MARKER}"), "usage": USAGE}))
    call = {"text": f"{MAIL} {MARKER}", "headers": CALLER, "more": {"max_tokens": 50, "user": MARKER}}
    [head] = served(tmp_path, REDACT, [reply], [call], traces=receiver.url)
    assert set(receiver.paths) == {"/v1/traces"}
    assert {span.trace_id.hex() for span in receiver.spans} == {TRACE}
    root = receiver.named("POST /v1/chat/completions")
    assert root.parent_span_id.hex() == SPAN
    assert root.kind == Span.SPAN_KIND_SERVER
    assert said(root)["http.response.status_code"] == 200
    assert said(root)["parapet.outcome"] == "served"
    chat = receiver.named("chat m")
    assert chat.kind == Span.SPAN_KIND_CLIENT
    told = said(chat)
    assert (told["gen_ai.operation.name"], told["gen_ai.request.model"], told["gen_ai.request.max_tokens"]) == ("chat", "m", 50)
    assert (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"]) == (11, 7)
    prompt, whole = receiver.named("guard prompt"), receiver.named("guard completion")
    assert prompt.parent_span_id == root.span_id
    assert said(prompt)["parapet.action"] == said(whole)["parapet.action"] == "redact"
    checks = [span for span in receiver.spans if span.name == "check pii"]
    assert {span.parent_span_id for span in checks} == {prompt.span_id, whole.span_id}
    assert head["traceparent"] == f"00-{TRACE}-{chat.span_id.hex()}-01"
    assert head["tracestate"] == "vendor=x"
    for body in receiver.bodies:
        assert not [text for text in (MARKER, MAIL, CARD) if text.encode() in body]


def test_a_streamed_call_has_the_same_steps(tmp_path: Path, receiver: Receiver) -> None:
    """The guard of its completion spans the stream, each check says how much of that it took, and the first piece is timed."""
    events = [event(chunk({"role": "assistant", "content": "all "})), event(chunk({"content": f"well {MARKER}"}))]
    events += [event(chunk({}, finish="stop", usage=USAGE)), b"data: [DONE]\n\n"]
    reply = STREAM + b"".join(map(piece, events)) + piece(b"")
    served(tmp_path, REDACT, [reply], [{"more": {"stream": True}}], traces=receiver.url)
    chat, guard = said(receiver.named("chat m")), receiver.named("guard completion")
    assert chat["gen_ai.request.stream"] is True
    assert chat["gen_ai.response.time_to_first_chunk"] > 0
    assert chat["gen_ai.usage.output_tokens"] == 7
    [check] = [span for span in receiver.spans if span.name == "check pii" and span.parent_span_id == guard.span_id]
    assert said(check)["parapet.seconds"] > 0
    assert not any(MARKER.encode() in body for body in receiver.bodies)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/check", {"texts": [f"{CARD} {MARKER}"]}),
        ("/v1/moderations", {"input": f"{CARD} {MARKER}"}),
        ("/beta/litellm_basic_guardrail_api", {"input_type": "request", "texts": [f"{CARD} {MARKER}"]}),
        ("/api/v1/text/contents", {"contents": [f"{CARD} {MARKER}"]}),
    ],
)
def test_a_question_without_a_backend_is_a_trace_too(path: str, body: Any, tmp_path: Path, receiver: Receiver) -> None:
    """Of whoever asks, with the guard and its checks; a question that cannot be answered is one with its status."""

    async def main() -> None:
        async with world(tmp_path, REDACT, traces=receiver.url) as parapet:
            assert (await parapet.client.post(path, json=body, headers=CALLER)).status_code == 200
            assert (await parapet.client.post(path, json={}, headers=CALLER)).status_code in (400, 422)

    asyncio.run(main())
    assert {span.trace_id.hex() for span in receiver.spans} == {TRACE}
    good, bad = [span for span in receiver.spans if span.name == f"POST {path}"]
    assert good.parent_span_id.hex() == SPAN
    assert said(good)["http.response.status_code"] == 200
    assert said(bad)["http.response.status_code"] in (400, 422)
    assert bad.status.code == Status.STATUS_CODE_UNSET
    guard = receiver.named("guard prompt")
    assert guard.parent_span_id == good.span_id
    assert said(guard)["parapet.action"] == "redact"
    assert receiver.named("check pii").parent_span_id == guard.span_id
    assert not any(text.encode() in each for each in receiver.bodies for text in (MARKER, CARD))
    records = [json.loads(line) for line in (tmp_path / "record.jsonl").read_text().splitlines()]
    assert {record["trace_id"] for record in records} <= {TRACE}


def test_what_fails_is_marked_by_its_kind(tmp_path: Path, receiver: Receiver) -> None:
    """A backend's error is one, with its code; a blocked prompt is none, and has no step for a backend."""
    wrong = answer(orjson.dumps({"error": {"message": MARKER, "code": MARKER}}), "500 Oops")
    served(tmp_path, BLOCK, [wrong], [{}, {"text": IBAN}], traces=receiver.url)
    failed, blocked = [span for span in receiver.spans if span.name.startswith("POST")]
    assert failed.status.code == Status.STATUS_CODE_ERROR
    assert said(failed)["error.type"] == "backend_refused"
    assert receiver.named("chat m").status.code == Status.STATUS_CODE_ERROR
    assert blocked.status.code == Status.STATUS_CODE_UNSET
    assert said(blocked)["parapet.outcome"] == "blocked_prompt"
    assert not any(MARKER.encode() in body for body in receiver.bodies)


@pytest.mark.parametrize("headers", [UNKEPT, {}], ids=["the caller keeps none", "none of ours are kept"])
def test_a_call_that_is_not_sampled_makes_no_span_and_passes_its_context_on(
    headers: dict[str, str], tmp_path: Path, receiver: Receiver
) -> None:
    """The backend then does not trace it, either."""
    reply = answer(orjson.dumps(completion()))
    [head] = served(tmp_path, REDACT, [reply], [{"headers": headers}], traces=receiver.url, traces_share=0.0)
    assert receiver.spans == []
    assert head["traceparent"].endswith("-00")
    assert not headers or head["traceparent"] == headers["traceparent"]


def test_without_a_receiver_the_callers_context_goes_on_as_it_came(tmp_path: Path) -> None:
    """Whoever does not trace is no gap in the traces of others; the record says which trace it was."""
    [head, other] = served(tmp_path, REDACT, [answer(orjson.dumps(completion()))] * 2, [{"headers": CALLER}, {}])
    assert (head["traceparent"], head["tracestate"]) == (CALLER["traceparent"], "vendor=x")
    assert "traceparent" not in other
    records = [json.loads(line) for line in (tmp_path / "record.jsonl").read_text().splitlines()]
    assert [record["trace_id"] for record in records] == [TRACE, ""]


@pytest.mark.parametrize(("status", "result"), [(200, "sent"), (400, "failed")])
def test_what_becomes_of_spans_is_counted(status: int, result: str, receiver: Receiver) -> None:
    """Those that a receiver refuses are not lost quietly, and no call fails of it."""
    receiver.status = status
    counted: dict[str, int] = {}

    def count(result: str, spans: int) -> None:
        counted[result] = counted.get(result, 0) + spans

    traces = Traces.of(Settings(traces=receiver.url), count)

    def call() -> None:
        with traces.begin("r", b"", b"", "call", {}).step, step("check"):
            pass

    copy_context().run(call)
    traces.close()
    assert counted == {"ended": 2, result: 2}


@pytest.mark.slow
def test_opentelemetry_is_not_imported_unless_spans_are_sent() -> None:
    """It costs memory and a part of a second."""
    program = "import sys; from proxy.app import create_app; from proxy.settings import Settings; "
    program += "from pathlib import Path; create_app(Settings(policies=(Path('policies/baseline.yaml'),), record='off')); "
    program += "print('opentelemetry' in sys.modules)"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_without_a_trace_a_step_is_nothing() -> None:
    """The same object each time, so that it costs next to nothing."""
    with step("check pii") as span:
        assert span is NOTHING
        assert current() is NOTHING
    assert copy_context().run(Traces().begin, "r", b"", b"", "call", {}).step is NOTHING


def test_log_lines_within_a_call_have_its_ids() -> None:
    """In JSON both; whoever logs need not know of them."""
    out = StringIO()
    logs.configure("info", "json", out)
    token = CALLED.set(Ids("r-1", TRACE, True))
    try:
        logging.getLogger("proxy.test").info("something happened")
    finally:
        CALLED.reset(token)
    line = json.loads(out.getvalue())
    assert (line["request_id"], line["trace_id"]) == ("r-1", TRACE)
