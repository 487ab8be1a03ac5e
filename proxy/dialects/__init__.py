"""The API shapes: one file each, registered here by one line each."""

from __future__ import annotations

from proxy.dialects.anthropic_messages import AnthropicCount, AnthropicMessages
from proxy.dialects.base import HIDDEN, Delta, Dialect, Event, Reading, Slot, Stream, Upload
from proxy.dialects.gemini import Gemini, GeminiCount, GeminiStreamed
from proxy.dialects.openai_audio import OpenAISpeech, OpenAITranscriptions, OpenAITranslations
from proxy.dialects.openai_chat import OpenAIChat
from proxy.dialects.openai_completions import OpenAICompletions
from proxy.dialects.openai_embeddings import OpenAIEmbeddings
from proxy.dialects.openai_images import OpenAIEdits, OpenAIImages
from proxy.dialects.openai_responses import OpenAIResponses
from proxy.dialects.rerank import Rerank

ALL: tuple[Dialect, ...] = (
    OpenAIChat(),
    OpenAICompletions(),
    OpenAIEmbeddings(),
    OpenAIImages(),
    OpenAIEdits(),
    OpenAISpeech(),
    OpenAITranscriptions(),
    OpenAITranslations(),
    OpenAIResponses(),
    Rerank(),
    AnthropicMessages(),
    AnthropicCount(),
    Gemini(),
    GeminiStreamed(),
    GeminiCount(),
)
DIALECTS: dict[str, Dialect] = {dialect.path: dialect for dialect in ALL}

__all__ = [
    "DIALECTS",
    "HIDDEN",
    "AnthropicCount",
    "AnthropicMessages",
    "Delta",
    "Dialect",
    "Event",
    "Gemini",
    "GeminiCount",
    "GeminiStreamed",
    "OpenAIChat",
    "OpenAICompletions",
    "OpenAIEdits",
    "OpenAIEmbeddings",
    "OpenAIImages",
    "OpenAIResponses",
    "OpenAISpeech",
    "OpenAITranscriptions",
    "OpenAITranslations",
    "Reading",
    "Rerank",
    "Slot",
    "Stream",
    "Upload",
]
