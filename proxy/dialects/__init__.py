"""The API shapes: one file each, registered here by one line each."""

from __future__ import annotations

from proxy.dialects.base import Delta, Dialect, Event, Reading, Slot
from proxy.dialects.openai_chat import OpenAIChat

DIALECTS: dict[str, Dialect] = {dialect.path: dialect for dialect in (OpenAIChat(),)}

__all__ = ["DIALECTS", "Delta", "Dialect", "Event", "OpenAIChat", "Reading", "Slot"]
