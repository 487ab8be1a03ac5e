"""OpenAI's audio: speech, where a text goes in, and transcriptions and translations, where a text comes out."""

from __future__ import annotations

from collections.abc import Sequence

from proxy.core import Segment
from proxy.dialects.base import Json, Reading, Upload
from proxy.dialects.openai_shape import OpenAIShape, listed, read_uploads, request_of
from proxy.dialects.values import read_field
from proxy.errors import BackendBroken, RequestError

PLAIN = frozenset(
    "model file stream language response_format temperature include include[] timestamp_granularities timestamp_granularities[] "
    "chunking_strategy known_speaker_names known_speaker_names[] known_speaker_references known_speaker_references[]".split()
)
SPEECH = frozenset("model input instructions user voice response_format speed stream_format stream".split())
NUMBERED = ("segments", "words")
ANSWER = frozenset(("text", "usage", "task", "language", "duration", "logprobs", *NUMBERED))


class OpenAISpeech(OpenAIShape):
    """Speech: what is to be said is a text; the sound that comes back is not read, and counted."""

    name = "openai-speech"
    path = "/v1/audio/speech"
    media = "audio"

    def read(self, payload: object) -> Reading:
        """What is to be said, and how. Raises RequestError."""
        reading = request_of(payload)
        payload = reading.payload
        if not isinstance(payload.get("input"), str):
            raise RequestError("input must be text", param="input")
        reading.stream = False
        if payload.get("stream_format") == "sse":
            raise RequestError("speech is not served as events: leave stream_format out", param="stream_format")
        for key in ("input", "instructions", "user"):
            read_field(reading, payload, key, "user")
        reading.rest(payload, SPEECH, "user")
        return reading

    def read_answer(self, payload: object) -> Reading:  # noqa: ARG002 - nothing is to be read
        """Sound does not come as JSON. Raises BackendBroken."""
        raise BackendBroken("the backend was asked for sound and sent something else")

    def refuse(self, payload: Json, message: str) -> None:
        """There is nothing to refuse."""


class OpenAITranscriptions(OpenAIShape):
    """What was said, as a text: the sound is not read, and counted, the text is guarded."""

    name = "openai-transcriptions"
    path = "/v1/audio/transcriptions"
    form = True
    plain = True

    def read(self, payload: object) -> Reading:
        """The prompt that leads the model; the file is a sound. Raises RequestError."""
        asked = payload if isinstance(payload, dict) else {}
        reading = request_of({"model": asked.get("model")})
        reading.payload = payload = asked
        if payload.get("stream") not in (None, "", "false", "False"):
            raise RequestError("transcriptions are not streamed here: leave stream out", param="stream")
        if payload.get("response_format") in ("srt", "vtt"):
            raise RequestError("a transcription is guarded as text or JSON: ask for one of those", param="response_format")
        if not all(isinstance(each, Upload) for each in listed(payload.get("file"))):
            raise RequestError("file must be a file of sound", param="file")
        read_uploads(reading, payload, "audio")
        read_field(reading, payload, "prompt", "user")
        reading.rest(payload, PLAIN | {"prompt"}, "user")
        return reading

    def read_answer(self, payload: object) -> Reading:
        """The text, and its parts with their times. Raises BackendBroken."""
        if not isinstance(payload, dict) or not isinstance(payload.get("text"), str):
            raise BackendBroken("the backend's answer is no transcription: it has no text")
        reading = Reading(payload=payload)
        reading.add(payload, "text", "assistant", "text")
        for key in NUMBERED:
            for index, each in enumerate(listed(payload.get(key))):
                if isinstance(each, dict):
                    for name in ("text", "word"):
                        if isinstance(each.get(name), str):
                            reading.add(each, name, "assistant", f"{key}[{index}].{name}")
        reading.rest(payload, ANSWER, "assistant")
        return reading

    def redacted(self, payload: Json, changed: Sequence[Segment]) -> list[str]:
        """Words and segments with their times repeat a changed text piece by piece, and so do log-probabilities: they go."""
        removed = []
        for key, reason in (*((key, "timestamps") for key in NUMBERED), ("logprobs", "logprobs")):
            if changed and payload.get(key):
                payload[key] = []
                removed.append(reason)
        return removed

    def refuse(self, payload: Json, message: str) -> None:
        """There is no word for it in this API: it becomes an error."""


class OpenAITranslations(OpenAITranscriptions):
    """The same, in English."""

    name = "openai-translations"
    path = "/v1/audio/translations"
