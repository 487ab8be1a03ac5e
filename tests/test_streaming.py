"""A guarded stream shows what the whole completion would show, however the backend cuts it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.core import Action, Form, Role, Segment
from proxy.dialects import OpenAIChat
from proxy.engine import Growing, Guard
from proxy.engine.rewriting import by_segment
from proxy.streaming import GuardedStream
from proxy.text import redacted
from tests.examples import examples
from tests.world import BLOCK, CARD, IBAN, MAIL, MONITOR, REDACT, ROLES, SECRETS, WATCH, chunk, event, guard

KEYS = ("content", "reasoning_content", "refusal", "arguments")
TELLING = (
    *(CARD, "4111111111111111", IBAN, MAIL, "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc", "411", "1 2", "DE89 3704", "ada@", "@x.org"),
    *("naïve ", "日本語", "🙂", " ", "\n", "\t", '"', "\\", ".", ",", "a", "card ", "…", "\u2028", "\x00", "}", "word and word "),
)
texts = st.lists(st.sampled_from(TELLING) | st.text(max_size=4), max_size=8).map("".join)
values = texts | st.integers(0, 9) | st.just(4111111111111111) | st.lists(texts, max_size=2)


@dataclass
class Client:
    """What a client that joins the deltas of a stream sees."""

    texts: dict[tuple[int, str], str] = field(default_factory=dict)
    finished: dict[int, str] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    payloads: list[dict[str, Any]] = field(default_factory=list)
    done: bool = False

    def read(self, data: bytes) -> Client:
        """Take a stream, as the standard says that it is to be read."""
        for block in data.decode().split("\n\n"):
            lines = [line[5:].strip() for line in block.split("\n") if line.startswith("data:")]
            if lines:
                self.take("\n".join(lines))
        return self

    def take(self, data: str) -> None:
        assert not self.done, "an event after the end"
        if data == "[DONE]":
            self.done = True
            return
        self.payloads.append(orjson.loads(data))
        for choice in self.payloads[-1].get("choices", ()):
            index, delta = choice.get("index", 0), choice.get("delta") or {}
            for key in ("content", "reasoning_content", "refusal"):
                self.add(index, key, delta.get(key))
            for call in delta.get("tool_calls", ()):
                self.add(index, "arguments", call["function"].get("arguments"))
                self.names += [call["function"]["name"]] if "name" in call["function"] else []
            if choice.get("finish_reason"):
                assert index not in self.finished, "a choice ended twice"
                self.finished[index] = choice["finish_reason"]

    def add(self, index: int, key: str, text: str | None) -> None:
        if text:
            assert index not in self.finished, "text after the end of its choice"
            self.texts[index, key] = self.texts.get((index, key), "") + text


def cuts(draw: st.DrawFn, text: Any) -> list[Any]:
    """The text or bytes in pieces."""
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


@st.composite
def completions(draw: st.DrawFn) -> dict[tuple[int, str], str]:
    """The texts of a completion's choices."""
    made = {}
    for index in range(draw(st.integers(1, 3))):
        for key in draw(st.sets(st.sampled_from(KEYS), min_size=1)):
            made[index, key] = draw(texts)
            if key == "arguments":
                source = orjson.dumps({"to": draw(values), "card": draw(values)}).decode()
                made[index, key] = draw(
                    st.sampled_from(
                        (source, source.replace("4", "\\u0034"), source.replace("/", "\\/"), source[:-3], made[index, key])
                    )
                )
    return made


@st.composite
def streams(draw: st.DrawFn) -> tuple[dict[tuple[int, str], str], list[bytes]]:
    """A completion, and a stream of it in reads of any size."""
    made = draw(completions())
    queues = {place: cuts(draw, text) for place, text in made.items()}
    events = [chunk({"role": "assistant", "content": ""}, index) for index in sorted({index for index, _ in made})]
    for index, key in made:
        if key == "arguments":
            call = {"index": 0, "id": "c", "type": "function", "function": {"name": "send_mail", "arguments": ""}}
            events.append(chunk({"tool_calls": [call]}, index))
    while queues:
        place = draw(st.sampled_from(sorted(queues)))
        index, key = place
        text = queues[place].pop(0)
        if not queues[place]:
            del queues[place]
        delta = {"tool_calls": [{"index": 0, "function": {"arguments": text}}]} if key == "arguments" else {key: text}
        last = not any(other == index for other, _ in queues)
        together = last and draw(st.booleans())
        events.append(chunk(delta, index, "stop" if together else None))
        if last and not together:
            events.append(chunk(draw(st.sampled_from(({}, {"content": ""}, None))), index, "stop"))
    events.append({"id": "c1", "object": "chat.completion.chunk", "choices": [], "usage": {"total_tokens": 7}})
    return made, cuts(draw, wire(draw, events))


def wire(draw: st.DrawFn, events: Iterable[dict[str, Any]]) -> bytes:
    """Events as bytes, in one of the ways that the standard allows."""
    end = draw(st.sampled_from((b"\n", b"\r\n", b"\r")))
    before = draw(st.sampled_from((b"", b": ping\n", b"event: message\nid: 4\n", b"\n", b": a\n\n")))
    space = draw(st.sampled_from((b" ", b"")))
    bom = draw(st.sampled_from((b"", b"\xef\xbb\xbf")))
    indented = draw(st.sampled_from((None, orjson.OPT_INDENT_2)))  # which takes many lines of data for one event
    data = [orjson.dumps(payload, option=indented) for payload in events] + [b"[DONE]"]
    lines = [b"\ndata:".join(space + line for line in each.split(b"\n")) for each in data]
    return bom + b"".join(before + b"data:" + each + b"\n\n" for each in lines).replace(b"\n", end)


def segments(made: dict[tuple[int, str], str]) -> list[Segment]:
    roles: dict[str, Role] = {"reasoning_content": "reasoning"}
    forms: dict[str, Form] = {"arguments": "json"}
    return [Segment(text, roles.get(key, "assistant"), "", forms.get(key, "text")) for (_, key), text in made.items()]


def run(guard: Guard, reads: Sequence[bytes]) -> tuple[Client, GuardedStream, Growing]:
    """The reads through the guard, to a client."""
    growing = guard.growing()
    guarded = GuardedStream(OpenAIChat(), growing)
    out = b"".join([guarded.feed(read) for read in reads] + [guarded.finish()])
    return Client().read(out), guarded, growing


def shown_whole(guard: Guard, made: dict[tuple[int, str], str]) -> tuple[Action, dict[tuple[int, str], str]]:
    """What is decided of the whole completion, and its texts as far as they are redacted, whether it is blocked or not."""
    given = segments(made)
    verdict = asyncio.run(guard.judge("completion", given))
    spans = by_segment(verdict.decision)
    changed = {place: redacted(s.text, spans.get(i, []), s.form) for i, (place, s) in enumerate(zip(made, given, strict=True))}
    return verdict.decision.action, changed


@pytest.mark.parametrize("policies", [(REDACT, SECRETS), (BLOCK,), (REDACT, BLOCK), (ROLES,), (ROLES, WATCH)], ids=len)
@settings(max_examples=examples(120))
@given(stream=streams())
def test_a_stream_shows_what_the_whole_shows(
    policies: tuple[str, ...], stream: tuple[dict[tuple[int, str], str], list[bytes]]
) -> None:
    """However a completion is cut, a client sees the redacted text, or when a rule blocks a beginning of it."""
    made, reads = stream
    action, whole = shown_whole(guard(*policies), made)
    client, guarded, growing = run(guard(*policies), reads)
    assert guarded.trouble is None
    assert growing.decision.action == action
    assert client.done
    assert set(client.finished) == {index for index, _ in made}
    if action == Action.BLOCK:
        assert guarded.cut
        message = growing.decision.message
        assert "content_filter" in client.finished.values()
        for place, text in client.texts.items():
            said = text.removesuffix(message) if place[1] == "refusal" and client.finished[place[0]] == "content_filter" else text
            assert whole.get(place, "").startswith(said)
    else:
        assert client.texts == {place: text for place, text in whole.items() if text}
        assert set(client.finished.values()) == {"stop"}
        assert client.payloads[-1]["usage"] == {"total_tokens": 7}


@pytest.mark.parametrize("policies", [(WATCH,), (MONITOR,), (WATCH, MONITOR)], ids=len)
@settings(max_examples=examples(60))
@given(stream=streams())
def test_what_only_looks_holds_nothing_back(
    policies: tuple[str, ...], stream: tuple[dict[tuple[int, str], str], list[bytes]]
) -> None:
    """Rules that flag or monitor see the same as in the whole, change nothing and delay nothing, event by event."""
    made, reads = stream
    verdict = asyncio.run(guard(*policies).judge("completion", segments(made)))
    client, _, growing = run(guard(*policies), reads)
    assert growing.most_held == 0
    assert client.texts == {place: text for place, text in made.items() if text}
    assert (growing.decision.action, growing.decision.would) == (verdict.decision.action, verdict.decision.would)


def stream_of(*payloads: object) -> bytes:
    return b"".join(map(event, payloads)) + b"data: [DONE]\n\n"


def test_a_stream_that_needs_no_change_passes_byte_for_byte() -> None:
    """Ids, indexes, usage, unknown fields and the very bytes are the backend's."""
    data = stream_of(
        chunk({"role": "assistant", "content": ""}, service_tier="x"),
        chunk({"content": "Hello there, "}, x_unknown={"a": [1, 2.50]}),
        chunk({"content": "friend. "}),
        chunk({}, finish="stop"),
        {"choices": [], "usage": {"total_tokens": 3}},
    )
    growing = guard(REDACT).growing()
    guarded = GuardedStream(OpenAIChat(), growing)
    assert guarded.feed(data) + guarded.finish() == data
    assert guarded.not_inspected == {}


def test_unknown_fields_are_kept_when_their_event_has_its_text_held_back() -> None:
    """An event that says something else goes out at once, without its text."""
    client, guarded, _ = run(
        guard(REDACT), [stream_of(chunk({"content": "4111"}, x="said"), chunk({"content": " 1"}), chunk({}, finish="stop"))]
    )
    assert client.payloads[0]["x"] == "said"
    assert client.payloads[0]["choices"][0]["delta"] == {"content": ""}
    assert client.texts == {(0, "content"): "4111 1"}
    assert guarded.not_inspected == {}


def test_what_grows_under_a_name_that_nobody_knows_is_guarded_like_any_text() -> None:
    """A card number in two pieces of it is replaced; what is held back goes out under that name."""
    pieces = [chunk({"novel": piece}) for piece in ("pay 4111 1111 ", "1111 1111", " and 41")]
    client, guarded, growing = run(guard(REDACT), [stream_of(*pieces, chunk({}, finish="stop"))])
    shown = "".join(each["choices"][0]["delta"].get("novel", "") for each in client.payloads if each["choices"])
    assert shown == "pay <CREDIT_CARD> and 41"
    assert growing.places == ["choices[0].other"]
    assert guarded.not_inspected == {}


def test_what_servers_say_beside_each_piece_is_judged_once() -> None:
    """The same short texts in each event cost no memory; a text in which something is found is judged each time."""
    beside = {"content_filter_results": {kind: {"filtered": False, "severity": "safe"} for kind in ("hate", "violence")}}
    pieces = [chunk({"content": "word "}) for _ in range(50)]
    for each in pieces:
        each["choices"][0] |= beside
    last = [chunk({"content": "."}, finish=finish) for finish in (None, "stop")]
    for each in last:
        each["choices"][0]["note"] = CARD
    client, _, growing = run(guard(REDACT), [stream_of(*pieces, *last)])
    assert client.texts == {(0, "content"): "word " * 50 + ".."}
    assert client.payloads[0]["choices"][0]["content_filter_results"] == beside["content_filter_results"]
    assert [each["choices"][0].get("note") for each in client.payloads[-2:]] == ["<CREDIT_CARD>"] * 2
    assert len(growing.findings) == 2
    assert len(growing.watches) == len(guard(REDACT).completion.binding["assistant"])


def test_a_block_ends_every_choice_that_has_begun() -> None:
    """Also one of which nothing but its role has come; those that had ended stay as they ended."""
    data = stream_of(
        *(chunk({"role": "assistant"}, index) for index in range(3)),
        chunk({"content": "done"}, 1, "length"),
        chunk({"content": f"Pay {IBAN} "}, 2),
        chunk({"content": "now, please"}, 2),
        chunk({"content": "never seen"}, 0, "stop"),
    )
    client, guarded, _ = run(guard(BLOCK), [data])
    assert guarded.cut
    assert client.done
    assert client.finished == {0: "content_filter", 1: "length", 2: "content_filter"}
    assert client.texts[0, "refusal"] == "No bank accounts here."
    assert "never" not in str(client.texts)


def test_text_in_the_event_that_ends_its_choice_comes_in_order() -> None:
    """Two pieces of one tool call in one event, with the end of the choice, stay in their order; names come before arguments."""
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "pay", "arguments": '{"card": "4111 1111'}}
    more = {"index": 0, "function": {"arguments": ' 1111 1111"}'}}
    client, _, _ = run(guard(REDACT), [stream_of(chunk({"tool_calls": [call, more]}, finish="tool_calls"))])
    assert client.texts == {(0, "arguments"): '{"card": "<CREDIT_CARD>"}'}
    assert client.payloads[0]["choices"][0]["delta"]["tool_calls"][0]["function"]["name"] == "pay"


def test_what_is_found_in_a_literal_that_goes_on_is_not_forgotten() -> None:
    """Arguments that are no JSON: a literal waits for its end, and what was found in it meanwhile is replaced then."""
    pieces = [f"{MAIL}!", "!", "! ", "1}"]
    deltas = [chunk({"tool_calls": [{"index": 0, "function": {"arguments": text}}]}) for text in pieces]
    client, _, _ = run(guard(REDACT), [event(delta) for delta in deltas] + [stream_of(chunk({}, finish="tool_calls"))])
    assert client.texts[0, "arguments"] == '"<EMAIL_ADDRESS>" 1}'


def test_log_probabilities_do_not_show_what_is_held_back() -> None:
    """They repeat the text; where a rule may change it they are taken out, and counted."""
    payload = chunk({"content": "4111"})
    payload["choices"][0]["logprobs"] = {"content": [{"token": "4111", "logprob": -1}]}
    data = stream_of(payload, chunk({"content": CARD[4:] + " "}), chunk({}, finish="stop"))
    client, guarded, _ = run(guard(REDACT), [data])
    assert "4111" not in str(client.payloads)
    assert guarded.not_inspected == {"logprobs": 1}
    watched, _, _ = run(guard(WATCH), [data])
    assert watched.payloads[0]["choices"][0]["logprobs"]["content"][0]["token"] == "4111"


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (b"data: {not json\n\n", "not JSON"),
        (b'data: ["a"]\n\n', "no object"),
        (b'data: {"choices": 5}\n\n', "no list"),
        (b'data: {"choices": [5]}\n\n', "no object"),
        (b'data: {"choices": [{"index": [0], "delta": {"content": "x"}}]}\n\n', "no whole number"),
        (b'data: {"choices": [{"index": 0, "delta": "x"}]}\n\n', "no object"),
        (b'data: {"choices": [{"index": 0, "delta": {"tool_calls": ["x"]}}]}\n\n', "no object"),
        (b'data: {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": {}}]}}]}\n\n', "no whole number"),
        (b'data: {"choices": [{"index": 0, "delta": {"content": "\xff"}}]}\n\n', "not JSON"),
        (b'data: {"choices": [{"index": 0, "delta": {"content": "\\ud800"}}]}\n\n', "not JSON"),
        (b'data: {"a": ' + b"[" * 5000 + b"]" * 5000 + b"}\n\n", "not JSON"),
        (b"data: " + b"x" * (17 * 2**20), "too large"),
        (b'data: {"choices": [{"index": 0, "delta": {"content": "cut in the mid', "not JSON"),
        (b"", "ended before"),
        (event(chunk({}, finish="stop")) + event(chunk({"content": "more"})), "had ended"),
    ],
    ids=range(15),
)
def test_a_broken_stream_shows_what_had_come_and_says_why(broken: bytes, says: str) -> None:
    """What was held back is not lost, nothing of the broken event is shown, and the trouble does not quote it."""
    held = event(chunk({"content": "so far 4111 1111"}))
    client, guarded, _ = run(guard(REDACT), [held + broken, event(chunk({"content": "later"}))] if broken else [held])
    assert client.texts[0, "content"] == "so far 4111 1111"
    assert not client.done
    assert says in str(guarded.trouble)


def test_lines_that_are_no_fields_of_events_do_not_pass() -> None:
    """Clients ignore them, but no check has read them either; comments keep connections alive, without their text."""
    growing = guard(REDACT).growing()
    guarded = GuardedStream(OpenAIChat(), growing)
    out = guarded.feed(b": ping\n\n<html>my card</html>\n\nnonsense\ndata: {}\nid: 7\n\nretry: 5\n\n")
    assert out == b":\n\ndata: {}\n\nretry: 5\n\n"


@pytest.mark.parametrize(
    "error",
    [
        {"error": {"message": f"no: {CARD}", "type": "t", "param": None, "code": None, "more": {"deep": [CARD]}}},
        {"object": "error", "message": f"no: {CARD}", "type": "t", "code": 500, "more": {"deep": [CARD]}},
    ],
    ids=("openai", "vllm"),
)
def test_an_error_within_a_stream_is_the_last_event_and_is_guarded(error: dict[str, Any]) -> None:
    """What was held back comes before it; every text in it is read; nothing follows, no second error."""
    data = event(chunk({"content": "so far 4111"})) + event(error) + event(chunk({"content": "later"}))
    client, guarded, growing = run(guard(REDACT), [data])
    assert client.texts == {(0, "content"): "so far 4111"}
    assert client.payloads[-1]["error"]["message"] == "no: <CREDIT_CARD>"
    assert client.payloads[-1]["error"]["more"] == {"deep": ["<CREDIT_CARD>"]}
    assert guarded.told
    assert guarded.trouble is not None
    assert growing.decision.action == Action.REDACT


def test_a_server_that_writes_an_empty_finish_reason_has_not_finished() -> None:
    """Some write an empty text where others write null; an entity across two such events is still found."""
    data = stream_of(
        chunk({"content": CARD[:8]}, finish=""), chunk({"content": CARD[8:] + " ok"}, finish=""), chunk({}, finish="stop")
    )
    client, _, _ = run(guard(REDACT), [data])
    assert client.texts == {(0, "content"): "<CREDIT_CARD> ok"}


@given(
    data=st.binary(max_size=300)
    | st.lists(st.sampled_from((b"data: ", b"{}", b"\n", b"\r", b":", b'{"choices":[{}]}', b"[DONE]"))).map(b"".join)
)
@example(data=b"\r")
def test_no_bytes_of_a_backend_raise(data: bytes) -> None:
    """Whatever comes, the guard goes on or says what is wrong with it."""
    client, guarded, _ = run(guard(REDACT), [data[:5], data[5:]])
    assert client.done or guarded.trouble is not None


@pytest.mark.parametrize(
    ("deltas", "shown"),
    [
        (
            [{"content": [{"type": "text", "text": "4111 1111 "}]}, {"content": [{"type": "text", "text": "1111 1111."}]}],
            "<CREDIT_CARD>.",
        ),
        ([{"content": ["4111 1111 "]}, {"content": "1111 1111."}], "<CREDIT_CARD>."),
    ],
    ids=["parts", "mixed"],
)
def test_text_that_comes_as_parts_is_one_text(deltas: list[dict[str, Any]], shown: str) -> None:
    """As some servers send it; a card in two parts is found."""
    growing = guard(REDACT).growing()
    guarded = GuardedStream(OpenAIChat(), growing)
    out = b"".join(guarded.feed(event(chunk(delta))) for delta in deltas) + guarded.finish()
    contents = [
        orjson.loads(line[6:])["choices"][0]["delta"].get("content") for line in out.split(b"\n") if line[:6] == b"data: "
    ]
    joined = "".join(
        part if isinstance(part, str) else "".join(p if isinstance(p, str) else p["text"] for p in part) for part in contents
    )
    assert joined == shown


def test_a_message_that_repeats_the_pieces_of_a_stream_is_taken_out() -> None:
    """Some servers end a stream with it."""
    last = chunk({}, finish="stop")
    last["choices"][0]["message"] = {"role": "assistant", "content": CARD}
    client, guarded, _ = run(guard(REDACT), [stream_of(chunk({"content": CARD}), last)])
    assert client.texts == {(0, "content"): "<CREDIT_CARD>"}
    assert "4111" not in str(client.payloads)
    assert guarded.not_inspected["unknown_field"]


@pytest.mark.parametrize("key", ["thinking_blocks", "reasoning_details"])
def test_reasoning_that_comes_as_objects_is_one_text(key: str) -> None:
    """As LiteLLM and OpenRouter send it beside the plain one; what holds copies of pieces is taken out, what is sealed passes."""
    name = "thinking" if key == "thinking_blocks" else "text"
    pieces = ("Card 4111 1111 ", "1111 1111", ". It ends in 4111 1")
    copies = [{"provider_specific_fields": {key: [{name: piece}]}, key: [{"type": "x", name: piece}]} for piece in pieces]
    client, guarded, _ = run(
        guard(REDACT), [stream_of(*map(chunk, copies), chunk({key: [{"signature": "c2ln"}]}, finish="stop"))]
    )
    listed = [thought for each in client.payloads for thought in each["choices"][0]["delta"].get(key) or ()]
    assert "".join(thought.get(name, "") for thought in listed) == "Card <CREDIT_CARD>. It ends in 4111 1"
    assert b"1111" not in orjson.dumps(client.payloads).replace(b"in 4111 1", b"")
    assert listed[-1] == {"signature": "c2ln"}
    assert guarded.not_inspected == {"unknown_field": 6, "encrypted": 1}


@pytest.mark.parametrize(
    "delta",
    [
        {"tool_calls": [{"index": 0, "function": {"arguments": {"card": CARD, "number": 4111111111111111}}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": {CARD: 1}}}]},
        {"name": CARD},
    ],
    ids=["object", "key", "name"],
)
def test_texts_in_odd_shapes_are_read(delta: dict[str, Any]) -> None:
    """Arguments as an object, with its numbers and the names of its fields; the name of who speaks."""
    guarded = GuardedStream(OpenAIChat(), guard(REDACT).growing())
    out = guarded.feed(event(chunk(delta)))
    assert b"4111" not in out
    assert b"<CREDIT_CARD>" in out


def test_a_field_that_is_there_twice_goes_on_once() -> None:
    """As it was read: another reader might take the other one."""
    twice = b'data: {"choices":[{"index":0,"delta":{"content":"%s","content":"fine "}}]}\n\n' % CARD.encode()
    guarded = GuardedStream(OpenAIChat(), guard(REDACT).growing())
    out = b"".join(guarded.feed(twice) for _ in range(12))
    assert b"4111" not in out
    assert out.count(b"fine") == 12
