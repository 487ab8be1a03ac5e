"""The APIs that clients know and Parapet does not guard: refused with a word that says so, never passed on."""

from __future__ import annotations

from collections.abc import Mapping

from proxy.dialects import DIALECTS, Dialect

UNGUARDED: Mapping[str, str] = {  # the beginnings of their paths, and what is said of them; the longest that fits counts
    "/v1/realtime": "realtime sessions speak over a WebSocket that nobody reads here",
    "/v1/batches": "batches are files of requests, and their answers come as files",
    "/v1/files": "files are not read here",
    "/v1/uploads": "files are not read here",
    "/v1/messages/batches": "batches of messages are answered later, in a file",
    "/v1/responses/": "stored responses are not read again here: send the turns with each call",
    "/v1/conversations": "stored conversations are not read here: send the turns with each call",
    "/v1/chat/completions/": "stored completions are not read again here",
    "/v1/assistants": "threads and their runs are kept by the backend, where nobody reads them",
    "/v1/threads": "threads and their runs are kept by the backend, where nobody reads them",
    "/v1/vector_stores": "files are not read here",
    "/v1/fine_tuning": "training files are not read here",
    "/v1/evals": "runs of evaluations are kept by the backend, where nobody reads them",
    "/v1/containers": "files are not read here",
    "/v1/videos": "videos are not read here",
    "/v1/images": "images as input are not read here",
    "/v1/audio": "sound is not read here",
    "/v1beta/": "only the generation of content is read here",
}
REFUSED = "{path} is not guarded, and so not served: {why}; guarded APIs: {known}"
UNKNOWN = "this path or method is not served here; guarded APIs: {known}"


def told(path: str) -> str:
    """What is said of an API that is known and not guarded; nothing of any other path."""
    fits = [begin for begin in UNGUARDED if path == begin.rstrip("/") or path.startswith(begin.rstrip("/") + "/")]
    if not fits:
        return ""
    longest = max(fits, key=len)
    return REFUSED.format(path=longest.rstrip("/"), why=UNGUARDED[longest], known=known())


def known() -> str:
    """The APIs that are guarded."""
    return ", ".join(sorted(DIALECTS))


def dialect_of(path: str) -> Dialect:
    """In whose shape an error at a path is: the dialect whose path begins most like it."""

    def alike(dialect: Dialect) -> int:
        pairs = zip(dialect.path.split("/"), path.split("/"), strict=False)
        return next((number for number, (a, b) in enumerate(pairs) if a != b), len(path))

    return max(DIALECTS.values(), key=alike)
