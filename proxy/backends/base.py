"""What a backend can do, and the pool of those that serve one model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Asked:
    """What a backend is asked."""

    path: str  # of the API, /v1/…; a {model} in it is the model's name there, and then the payload has none
    payload: Mapping[str, Any]
    request_id: str
    headers: Mapping[str, str] = field(default_factory=dict)  # of the caller's, those that the API needs
    method: str = "POST"
    form: bool = False  # the payload goes out as a multipart form


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

    name: str

    async def call(self, asked: Asked) -> Answer:
        """Send a payload to an API. Raises BackendError, BackendRefused for an error status."""
        ...

    async def close(self) -> None:
        """Let go of its connections."""
        ...


@dataclass(slots=True)
class Pool:
    """All backends that serve one model name; a call goes to the one with the fewest under way, the first among equals."""

    model: str
    backends: Sequence[Backend]
    under_way: dict[str, int] = field(default_factory=dict)

    def choose(self) -> Backend:
        """The backend for the next call."""
        if len(self.backends) == 1:
            return self.backends[0]
        return min(self.backends, key=lambda backend: self.under_way.get(backend.name, 0))

    def begin(self, backend: Backend) -> None:
        """A call to the backend is under way."""
        self.under_way[backend.name] = self.under_way.get(backend.name, 0) + 1

    def end(self, backend: Backend) -> None:
        """A call to the backend has ended."""
        self.under_way[backend.name] -= 1

    async def close(self) -> None:
        """Let go of all connections."""
        for backend in self.backends:
            await backend.close()
