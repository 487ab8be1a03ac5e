"""OpenAI's smaller APIs: every text is read at its place, what cannot be read is hidden, and bad requests say what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.dialects import (
    Dialect,
    OpenAICompletions,
    OpenAIEdits,
    OpenAIEmbeddings,
    OpenAIImages,
    OpenAISpeech,
    OpenAITranscriptions,
    OpenAITranslations,
    Rerank,
    Upload,
)
from proxy.errors import BackendBroken, RequestError
from tests.dialects.places import PLANT, check_place

COMPLETIONS, EMBEDDINGS, IMAGES, RERANK = OpenAICompletions(), OpenAIEmbeddings(), OpenAIImages(), Rerank()
SPEECH, TRANSCRIPTIONS, EDITS = OpenAISpeech(), OpenAITranscriptions(), OpenAIEdits()
REQUESTS: list[tuple[Dialect, str, str, dict[str, Any]]] = [
    (COMPLETIONS, "prompt", "user", {"prompt": PLANT}),
    (COMPLETIONS, "prompt[1]", "user", {"prompt": ["a", PLANT]}),
    (COMPLETIONS, "suffix", "user", {"prompt": "a", "suffix": PLANT}),
    (COMPLETIONS, "stop[0]", "user", {"prompt": "a", "stop": [PLANT]}),
    (COMPLETIONS, "guided_regex", "system", {"prompt": "a", "guided_regex": PLANT}),
    (EMBEDDINGS, "input", "user", {"input": PLANT}),
    (EMBEDDINGS, "input[1]", "user", {"input": ["a", PLANT]}),
    (EMBEDDINGS, "input[0].text", "user", {"input": [{"type": "text", "text": PLANT}]}),
    (EMBEDDINGS, "messages[0].content", "user", {"messages": [{"role": "user", "content": PLANT}]}),
    (EMBEDDINGS, "user", "user", {"input": "a", "user": PLANT}),
    (IMAGES, "prompt", "user", {"prompt": PLANT}),
    (IMAGES, "negative_prompt", "user", {"prompt": "a", "negative_prompt": PLANT}),
    (RERANK, "query", "user", {"query": PLANT, "documents": ["a"]}),
    (RERANK, "documents[1]", "document", {"query": "q", "documents": ["a", PLANT]}),
    (RERANK, "documents[0].text", "document", {"query": "q", "documents": [{"text": PLANT}]}),
]
ANSWERS: list[tuple[Dialect, str, str, dict[str, Any]]] = [
    (COMPLETIONS, "choices[1].text", "assistant", {"choices": [{"text": "a"}, {"text": PLANT}]}),
    (IMAGES, "data[0].revised_prompt", "assistant", {"data": [{"url": "u", "revised_prompt": PLANT}]}),
    (RERANK, "results[0].document.text", "document", {"results": [{"index": 0, "document": {"text": PLANT}}]}),
    (RERANK, "results[0].document", "document", {"results": [{"index": 0, "document": PLANT}]}),
]
NAMES = [f"{dialect.name}-{place}" for dialect, place, _, _ in REQUESTS]


@pytest.mark.parametrize(("dialect", "place", "role", "fields"), REQUESTS, ids=NAMES)
def test_a_text_in_a_request_is_read_at_its_place(dialect: Dialect, place: str, role: str, fields: dict[str, Any]) -> None:
    """It is found once, named by its place, and writing changes it and nothing else."""
    assert check_place(dialect, {"model": "m", **fields}, place) == role


@pytest.mark.parametrize(("dialect", "place", "role", "payload"), ANSWERS, ids=lambda value: str(value)[:40])
def test_a_text_in_an_answer_is_read_at_its_place(dialect: Dialect, place: str, role: str, payload: dict[str, Any]) -> None:
    """The same for an answer."""
    assert check_place(dialect, payload, place, answer=True) == role


@pytest.mark.parametrize(
    ("dialect", "fields", "hidden"),
    [
        (COMPLETIONS, {"prompt": [1, 2, 3]}, {"prompt": "tokens"}),
        (COMPLETIONS, {"prompt": [[1, 2], [3]]}, {"prompt": "tokens"}),
        (COMPLETIONS, {"prompt": ["a", [3]]}, {"prompt": "tokens"}),
        (COMPLETIONS, {"prompt_embeds": "AAAA"}, {"prompt_embeds": "embeddings"}),
        (EMBEDDINGS, {"input": [1, 2]}, {"input": "tokens"}),
        (EMBEDDINGS, {"input": [[1, 2]]}, {"input": "tokens"}),
        (EMBEDDINGS, {"input": ["a"]}, {}),
    ],
)
def test_what_nobody_can_read_is_hidden(dialect: Dialect, fields: dict[str, Any], hidden: dict[str, str]) -> None:
    """It is counted as not inspected, and named by its place."""
    reading = dialect.read({"model": "m", **fields})
    assert reading.hidden == hidden
    assert reading.not_inspected == dict.fromkeys(hidden.values(), 1)


@pytest.mark.parametrize(
    ("dialect", "fields", "param"),
    [
        (COMPLETIONS, {}, "prompt"),
        (COMPLETIONS, {"prompt": 5}, "prompt"),
        (COMPLETIONS, {"prompt": []}, "prompt"),
        (COMPLETIONS, {"prompt": ["a", 5]}, "prompt"),
        (COMPLETIONS, {"prompt": [[1, "a"]]}, "prompt"),
        (COMPLETIONS, {"prompt": [True]}, "prompt"),
        (COMPLETIONS, {"prompt": {"a": "b"}}, "prompt"),
        (EMBEDDINGS, {}, "input"),
        (EMBEDDINGS, {"input": {"a": "b"}}, "input"),
        (EMBEDDINGS, {"messages": {"a": "b"}}, "messages"),
        (IMAGES, {}, "prompt"),
        (IMAGES, {"prompt": "a", "stream": True}, "stream"),
        (RERANK, {"query": "q"}, "documents"),
        (RERANK, {"documents": ["a"]}, "query"),
        (RERANK, {"query": "q", "documents": [5]}, "documents[0]"),
    ],
)
def test_a_bad_request_says_what_is_wrong(dialect: Dialect, fields: dict[str, Any], param: str) -> None:
    """The error names the field."""
    with pytest.raises(RequestError) as caught:
        dialect.read({"model": "m", **fields})
    assert caught.value.param == param


@pytest.mark.parametrize("dialect", [COMPLETIONS, EMBEDDINGS, IMAGES, RERANK], ids=lambda dialect: dialect.name)
@pytest.mark.parametrize("payload", [{}, [], "x", {"choices": 5}, {"data": 5}, {"choices": ["x"], "data": "x", "results": ["x"]}])
def test_an_answer_of_another_api_is_broken(dialect: Dialect, payload: Any) -> None:
    """It is the backend's fault, and nothing of it passes."""
    with pytest.raises(BackendBroken):
        dialect.read_answer(payload)


def test_what_an_image_shows_is_counted() -> None:
    """Nobody looks at it."""
    assert IMAGES.read_answer({"data": [{"b64_json": "AAAA"}, {"url": "u"}]}).not_inspected == {"image": 2}


def test_a_refused_completion_is_empty_and_says_why() -> None:
    """Ids and usage stay, the text does not."""
    refused = COMPLETIONS.refuse({"id": "c", "choices": [{"index": 0, "text": PLANT}], "usage": {"total_tokens": 3}}, "No.")
    assert refused["choices"] == [{"index": 0, "text": "", "finish_reason": "content_filter", "refusal": "No.", "logprobs": None}]
    assert (refused["id"], refused["usage"]) == ("c", {"total_tokens": 3})


SOUND = Upload("a.wav", "audio/wav", b"RIFF")
FORMS: list[tuple[Dialect, str, dict[str, Any], dict[str, int]]] = [
    (TRANSCRIPTIONS, "prompt", {"file": SOUND, "prompt": PLANT}, {"audio": 1}),
    (OpenAITranslations(), "prompt", {"file": SOUND, "prompt": PLANT, "response_format": "text"}, {"audio": 1}),
    (EDITS, "prompt", {"image[]": [Upload("a.png", "image/png", b"P")] * 2, "prompt": PLANT}, {"image": 2}),
    (EDITS, "user", {"image": Upload("a.png", "image/png", b"P"), "prompt": "a", "user": PLANT}, {"image": 1}),
    (SPEECH, "input", {"input": PLANT, "voice": "alloy"}, {}),
    (SPEECH, "instructions", {"input": "a", "instructions": PLANT}, {}),
]


@pytest.mark.parametrize(("dialect", "place", "fields", "counted"), FORMS, ids=lambda value: str(value)[:40])
def test_a_text_beside_files_and_sounds_is_read(
    dialect: Dialect, place: str, fields: dict[str, Any], counted: dict[str, int]
) -> None:
    """What files hold is counted, one by one."""
    reading = dialect.read({"model": "m", **fields})
    [index] = [i for i, segment in enumerate(reading.segments) if segment.text == PLANT]
    assert reading.segments[index].place == place
    assert reading.not_inspected == counted


@pytest.mark.parametrize(
    ("dialect", "fields", "param"),
    [
        (TRANSCRIPTIONS, {"file": "text"}, "file"),
        (TRANSCRIPTIONS, {"file": SOUND, "stream": "true"}, "stream"),
        (TRANSCRIPTIONS, {"file": SOUND, "response_format": "srt"}, "response_format"),
        (EDITS, {"image": SOUND}, "prompt"),
        (EDITS, {"image": SOUND, "prompt": "a", "stream": "true"}, "stream"),
        (SPEECH, {}, "input"),
        (SPEECH, {"input": "a", "stream_format": "sse"}, "stream_format"),
    ],
)
def test_what_is_not_served_with_files_and_sounds_says_so(dialect: Dialect, fields: dict[str, Any], param: str) -> None:
    """The error names the field."""
    with pytest.raises(RequestError) as caught:
        dialect.read({"model": "m", **fields})
    assert caught.value.param == param


def test_a_transcription_is_read_whole_and_its_parts_go_with_a_change() -> None:
    """Words and segments repeat the text piece by piece, so that nothing could be found in them."""
    payload = {"text": f"a {PLANT}", "words": [{"word": PLANT, "start": 0}], "segments": [{"text": PLANT}], "duration": 1.5}
    reading = TRANSCRIPTIONS.read_answer(payload)
    assert reading.places == ["text", "segments[0].text", "words[0].word"]
    assert TRANSCRIPTIONS.redacted(payload, []) == []
    assert TRANSCRIPTIONS.redacted(payload, reading.segments[:1]) == ["timestamps", "timestamps"]
    assert (payload["words"], payload["segments"], payload["duration"]) == ([], [], 1.5)


def test_speech_that_is_no_sound_is_broken() -> None:
    """JSON is not what was asked for."""
    with pytest.raises(BackendBroken):
        SPEECH.read_answer({})
