"""A scripted backend that speaks OpenAI's API: so lean that it is never the bottleneck, and every answer is known."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import httptools
import orjson
import uvloop

from bench import texts

PACE = 0.005  # seconds between two chunks of a stream
ANSWERS = 2048  # more than a cache of answers would hold by chance

_STAMP = '"created":1750000000,"model":"bench","system_fingerprint":"fp_bench"'
_CHUNK_ID = '"id":"chatcmpl-bench0000000000000000000","object":"chat.completion.chunk"'


def _reply(status: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _event(choices: str, usage: str = "") -> bytes:
    return f'data: {{{_CHUNK_ID},{_STAMP},"choices":[{choices}]{usage}}}\n\n'.encode()


def _delta(delta: str, finish: str = "null") -> bytes:
    return _event(f'{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish}}}')


def _chunked(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


_STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_NO_SUCH_PATH = _reply("404 Not Found", b'{"error":{"message":"no such path","type":"invalid_request_error","code":null}}')
_BAD_JSON = _reply("400 Bad Request", b'{"error":{"message":"the body is not JSON","type":"invalid_request_error","code":null}}')
_MODELS = _reply("200 OK", b'{"object":"list","data":[{"id":"bench","object":"model","created":1750000000,"owned_by":"bench"}]}')
_ROLE = _delta('{"role":"assistant","content":""}')
_STOP = _delta("{}", '"stop"')
_DONE = b"data: [DONE]\n\n"


def _usage(answer: texts.Answer) -> str:
    spoken = len(answer.tokens)
    return f',"usage":{{"prompt_tokens":560,"completion_tokens":{spoken},"total_tokens":{560 + spoken}}}'


def _whole(answer: texts.Answer) -> bytes:
    said = orjson.dumps(answer.text).decode()
    choice = f'{{"index":0,"message":{{"role":"assistant","content":{said}}},"logprobs":null,"finish_reason":"stop"}}'
    id_and_kind = '"id":"chatcmpl-bench0000000000000000000","object":"chat.completion"'
    return _reply("200 OK", f'{{{id_and_kind},{_STAMP},"choices":[{choice}]{_usage(answer)}}}'.encode())


@dataclass(frozen=True, slots=True)
class Script:
    """What the backend says, in turn, and how fast: `pace` is in seconds a chunk, 0 for all at once."""

    answers: tuple[texts.Answer, ...]
    whole: tuple[bytes, ...]
    pace: float

    @classmethod
    def of(cls, answers: int = ANSWERS, tokens: int = texts.ANSWER_TOKENS, pace: float = PACE) -> Script:
        """A script of `answers` different answers of `tokens` tokens."""
        written = tuple(texts.answer(number, tokens) for number in range(answers))
        return cls(written, tuple(map(_whole, written)), pace)

    def beats(self, number: int, *, usage: bool) -> list[bytes]:
        """What a stream says at each beat: the role with the first token, a token each, then the end with the last."""
        answer = self.answers[number]
        said = [_delta(f'{{"content":{orjson.dumps(token).decode()}}}') for token in answer.tokens]
        said[0] = _ROLE + said[0]
        said[-1] += _STOP + (_event("", _usage(answer)) if usage else b"") + _DONE
        return said


@dataclass(slots=True)
class Served:
    """What the backend has done so far."""

    whole: int = 0
    streams: int = 0
    cancelled: int = 0  # streams whose client left before the end
    request_bytes: int = 0
    turn: int = field(default=0, repr=False)  # of the script


class _Connection(asyncio.Protocol):
    """One client's connection; requests on it are answered one after the other."""

    def __init__(self, script: Script, served: Served) -> None:
        self._script, self._served = script, served
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._url = b""
        self._body: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one by its methods, not by its class

    def connection_lost(self, _: Exception | None) -> None:
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
            self._served.cancelled += 1

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            if self._transport is not None:
                self._transport.abort()

    def on_message_begin(self) -> None:
        self._url, self._body = b"", []

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._transport is None:
            return
        path = self._url.partition(b"?")[0]
        if path == b"/v1/chat/completions":
            self._chat(self._transport, b"".join(self._body))
        else:
            self._transport.write(_MODELS if path == b"/v1/models" else _NO_SUCH_PATH)

    def _chat(self, transport: asyncio.Transport, body: bytes) -> None:
        served = self._served
        try:
            asked = orjson.loads(body)
            streams, usage = bool(asked.get("stream")), bool((asked.get("stream_options") or {}).get("include_usage"))
        except (ValueError, AttributeError):
            transport.write(_BAD_JSON)
            return
        served.request_bytes += len(body)
        served.turn = number = (served.turn + 1) % len(self._script.answers)
        if streams:
            served.streams += 1
            transport.write(_STREAM_HEAD)
            beats = [_chunked(beat) for beat in self._script.beats(number, usage=usage)]
            beats[-1] += b"0\r\n\r\n"
            self._beat(beats, 0, self._loop.time())
        else:
            served.whole += 1
            transport.write(self._script.whole[number])

    def _beat(self, beats: list[bytes], number: int, began: float) -> None:
        self._timer = None
        if self._transport is None:
            return
        if not self._script.pace:
            self._transport.write(b"".join(beats))
            return
        self._transport.write(beats[number])
        if number + 1 < len(beats):
            due = began + (number + 1) * self._script.pace
            self._timer = self._loop.call_at(due, self._beat, beats, number + 1, began)


def connections(script: Script, served: Served) -> Callable[[], asyncio.Protocol]:
    """What `loop.create_server` makes its connections with."""
    return lambda: _Connection(script, served)


async def serve(port: int, script: Script) -> None:
    """Answers on the loopback until it is cancelled."""
    server = await asyncio.get_running_loop().create_server(connections(script, Served()), "127.0.0.1", port)
    async with server:
        await server.serve_forever()


def main() -> None:
    """`python -m bench.backend`: the backend on its own."""
    parser = argparse.ArgumentParser(prog="python -m bench.backend", description=__doc__)
    parser.add_argument("--port", type=int, default=9100)
    parser.add_argument("--pace", type=float, default=1000 * PACE, help="milliseconds between two chunks of a stream (5)")
    parser.add_argument("--tokens", type=int, default=texts.ANSWER_TOKENS, help="tokens of an answer (200)")
    parser.add_argument("--answers", type=int, default=ANSWERS, help="different answers (2048)")
    arguments = parser.parse_args()
    script = Script.of(arguments.answers, arguments.tokens, arguments.pace / 1000)
    uvloop.run(serve(arguments.port, script))


if __name__ == "__main__":
    main()
