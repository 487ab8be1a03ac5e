"""What is asked of a backend, and what a backend can do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(slots=True)  # not frozen: freezing trebles what it costs to make one, and there is one for each call
class Asked:
    """What a backend is asked, and whose call it is."""

    path: str  # of the API, /v1/…; a {model} in it is the model's name there, and then the payload has none
    payload: Mapping[str, Any]
    request_id: str
    headers: Mapping[str, str] = field(default_factory=dict)  # of the caller's, those that the API needs
    method: str = "POST"
    form: bool = False  # the payload goes out as a multipart form
    stream: bool = False  # the answer is to be a stream of events
    media: bool = False  # it may be something other than JSON, which goes on as it comes
    team: str = ""
    key: str = ""


class Answer(Protocol):
    """A backend's answer that has begun."""

    @property
    def content_type(self) -> str:
        """Its media type, without parameters."""
        ...

    async def read(self) -> bytes:
        """The whole body. Raises BackendError."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises BackendError."""
        ...

    async def settle(self) -> None:
        """All that matters has come: give what follows a moment, so that the connection can serve another call."""
        ...

    def close(self) -> None:
        """Let go of it; an answer that has not ended is cancelled at the backend."""
        ...


class Backend(Protocol):
    """One deployment of a model."""

    async def call(self, asked: Asked) -> Answer:
        """Send a payload to an API. Raises BackendError, BackendRefused for an error status."""
        ...

    async def close(self) -> None:
        """Let go of its connections."""
        ...


class Probed(Backend, Protocol):
    """A backend that can be asked whether it is well, without a call."""

    async def probe(self, seconds: float) -> None:
        """Returns when it is. Raises BackendError when it is not, or does not say so in time."""
        ...
