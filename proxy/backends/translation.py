"""What goes to LiteLLM and what comes from it: requests, answers, streams and errors, in OpenAI's shape and in no other.

A request passes field by field: LiteLLM takes addresses, keys and callbacks as arguments of the same call, and a caller must not
be able to set them. An answer is written field by field, too: LiteLLM adds copies of texts, which no check would read.
"""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from proxy.backends.openai import when
from proxy.errors import BackendBroken, BackendError, BackendRefused, BackendTimeout, BackendUnreachable, BackendUnsupported

CHAT = frozenset(
    "messages functions function_call temperature top_p top_k min_p n stream stream_options stop max_tokens "
    "max_completion_tokens modalities prediction audio presence_penalty frequency_penalty repetition_penalty logit_bias user "
    "response_format seed tools tool_choice parallel_tool_calls logprobs top_logprobs reasoning_effort verbosity "
    "safety_identifier service_tier store prompt_cache_key thinking".split()
)
COMPLETIONS = frozenset(
    "prompt suffix temperature top_p n stream stream_options stop max_tokens presence_penalty frequency_penalty logit_bias user "
    "seed logprobs echo best_of".split()
)
EMBEDDINGS = frozenset("input dimensions encoding_format user input_type".split())
RERANK = frozenset("query documents top_n rank_fields return_documents max_chunks_per_doc".split())
NAME = re.compile(r"[A-Za-z0-9_]{1,64}")
ADDRESS = re.compile(r"[\x00-\x20]*[A-Za-z][A-Za-z0-9+.-]{0,20}://")
MOST = 100_000  # values that are looked through for addresses

TOP = ("id", "object", "created", "model", "system_fingerprint", "service_tier")
MESSAGE = ("role", "content", "tool_calls", "function_call", "refusal", "reasoning_content", "audio", "annotations", "images")
USAGE = ("prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "completion_tokens_details")
DETAILS = (
    "cached_tokens", "audio_tokens", "reasoning_tokens", "accepted_prediction_tokens", "rejected_prediction_tokens",
)  # fmt: skip
QUOTED = re.compile(r"^litellm\.\w+: (?:litellm\.\w+: )?(?:\w+ - )?(?:b['\"])?")
ADVICE = re.compile(r"\. To drop these, |\nTraceback")  # of LiteLLM, to whoever runs it
TRAILER = re.compile(r"\. Handle with `litellm.*$|['\"]?\s*(?:LiteLLM Retried.*|Received Model Group.*)?$", re.DOTALL)
LONGEST = 4000  # characters of an error
BROKEN = {"TransportError", "ClientConnectionError"}  # the roots of what httpx and aiohttp raise when a connection breaks
TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


def fit(payload: Mapping[str, Any], known: frozenset[str], *, drop: bool, sent: bool = True) -> dict[str, Any]:
    """The fields that may be sent, as a copy of our own. Raises BackendUnsupported for others, unless they are dropped.

    `sent`: as they are, so that what they name by its address would be fetched; else what is made of them comes here again.
    """
    for name in payload.keys() - known - {"model"}:
        if not drop:
            shown = f"the field {name!r}" if NAME.fullmatch(name) else "a field of that name"
            raise BackendUnsupported(
                f"this model is served by way of LiteLLM, which cannot be sent {shown} (see drop_unsupported)"
            )
    kept = {name: value for name, value in payload.items() if name in known and value is not None}
    if sent and has_address(kept.get("messages")):
        raise BackendUnsupported("this model is served by way of LiteLLM, which takes pictures and files as data: URLs alone")
    return orjson.loads(orjson.dumps(kept))  # type: ignore[no-any-return]  # it changes what it is given, and a retry sends this again


def has_address(messages: object) -> bool:
    """Whether a part that is no text names an address, which LiteLLM or the provider would fetch."""
    left: list[object] = [
        part
        for message in (messages if isinstance(messages, list) else ())
        if isinstance(message, dict) and isinstance(message.get("content"), list)
        for part in message["content"]
    ]
    for _ in range(MOST):
        if not left:
            return False
        each = left.pop()
        if isinstance(each, dict):
            left += [value for name, value in each.items() if name != "text" or isinstance(value, list | dict)]
        elif isinstance(each, list):
            left += each
        elif isinstance(each, str) and ADDRESS.match(each):
            return True
    return True


def plain(made: Any) -> dict[str, Any]:
    """One of LiteLLM's models as a mapping without what is not there."""
    if isinstance(made, dict):
        return made
    found: dict[str, Any] = made.model_dump(exclude_none=True, warnings=False)
    return found


def chosen(of: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Those of the fields that are there."""
    return {name: of[name] for name in names if of.get(name) is not None}


def usage(of: Mapping[str, Any]) -> dict[str, Any]:
    """The tokens of an answer, as OpenAI counts them."""
    made = chosen(of, USAGE)
    for name in USAGE[3:]:
        if name in made:
            made[name] = chosen(made[name], DETAILS)
    return made


def message(of: Mapping[str, Any]) -> dict[str, Any]:
    """A message, or a piece of one."""
    made = chosen(of, MESSAGE)
    if "tool_calls" in made:
        made["tool_calls"] = [chosen(call, ("index", "id", "type", "function")) for call in made["tool_calls"]]
    return made


def completion(made: Any) -> dict[str, Any]:
    """A whole chat completion."""
    given = plain(made)
    choices = []
    for number, choice in enumerate(given.get("choices") or ()):
        said = {"role": "assistant", "content": None, **message(choice.get("message") or {})}
        for call in said.get("tool_calls", ()):
            call.pop("index", None)
        choices.append(
            {
                "index": choice.get("index", number),
                "message": said,
                "logprobs": choice.get("logprobs"),
                "finish_reason": choice.get("finish_reason"),
            }
        )
    return {**chosen(given, TOP), "object": "chat.completion", "choices": choices, "usage": usage(given.get("usage") or {})}


def chunk(made: Any) -> dict[str, Any]:
    """A chunk of a streamed one."""
    given = plain(made)
    choices = [
        {
            "index": choice.get("index", number),
            "delta": message(choice.get("delta") or {}),
            "logprobs": choice.get("logprobs"),
            "finish_reason": choice.get("finish_reason"),
        }
        for number, choice in enumerate(given.get("choices") or ())
    ]
    found = {**chosen(given, TOP), "object": "chat.completion.chunk", "choices": choices}
    if given.get("usage"):
        found["usage"] = usage(given["usage"])
        found["choices"] = [choice for choice in choices if choice["delta"] or choice["finish_reason"]]
    return found


def text_completion(made: Any) -> dict[str, Any]:
    """A completion of the older API, or a chunk of a streamed one."""
    given = plain(made)
    choices = [
        {
            "index": choice.get("index", number),
            "text": choice.get("text") or "",
            "logprobs": choice.get("logprobs"),
            "finish_reason": choice.get("finish_reason"),
        }
        for number, choice in enumerate(given.get("choices") or ())
    ]
    found = {**chosen(given, TOP), "object": "text_completion", "choices": choices}
    return found | ({"usage": usage(given["usage"])} if given.get("usage") else {})


def embeddings(made: Any, *, as_base64: bool) -> dict[str, Any]:
    """Embeddings, as numbers or as OpenAI's SDK asks for them."""
    given = plain(made)
    rows = [plain(row) for row in given.get("data") or ()]
    data = [
        {"object": "embedding", "index": row.get("index", number), "embedding": packed(row["embedding"], as_base64=as_base64)}
        for number, row in enumerate(rows)
    ]
    return {"object": "list", "data": data, "model": given.get("model"), "usage": chosen(given.get("usage") or {}, USAGE[:3])}


def packed(numbers: Any, *, as_base64: bool) -> Any:
    """The numbers, or 32-bit floats of them in base64, little end first."""
    if not as_base64 or not isinstance(numbers, list):
        return numbers
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def rerank(made: Any) -> dict[str, Any]:
    """The order of documents."""
    return chosen(plain(made), ("id", "results", "meta"))


def event(payload: object) -> bytes:
    """One event of a stream."""
    return b"data: " + orjson.dumps(payload) + b"\n\n"


def failure(error: Exception) -> BackendError:
    """What an exception of LiteLLM's says of the provider; nothing of its own words is kept but what the provider said."""
    names = {kind.__name__ for kind in type(error).__mro__}
    status, refusal = getattr(error, "status_code", None), refusal_behind(error)
    answered = bool(getattr(error, "litellm_response_headers", None))  # well, unless it refused
    if "Timeout" in names or "APITimeoutError" in names:
        return BackendTimeout("the provider did not answer in time")
    if refusal is None and BROKEN & {kind.__name__ for each in chain(error) for kind in type(each).__mro__}:
        return BackendUnreachable("the provider could not be reached, or the connection to it broke before it answered")
    if not isinstance(status, int) or (refusal is None and (answered or "APIConnectionError" in names)):
        return BackendBroken("the provider's answer, or the request, could not be translated")
    if status >= 500 and refusal is None:
        return BackendUnreachable("the provider could not be reached, or the connection to it broke before it answered")
    if refusal is not None and refusal.status_code < 400:
        return BackendBroken("the provider sent a redirect, which is not followed: it would take the text elsewhere")
    headers = refusal.headers if refusal is not None else {}
    said = {
        "message": words(error),
        "type": TYPES.get(status, "invalid_request_error" if status < 500 else "server_error"),
        "param": None,
        "code": code(names),
    }
    return BackendRefused(status, orjson.dumps({"error": said}), "application/json", when(headers))


def refusal_behind(error: BaseException) -> Any:
    """The response with an error status that an exception goes back to, if there is one."""
    for each in chain(error):
        response, kinds = getattr(each, "response", None), type(each).__mro__
        if response is not None and (
            kinds[0].__module__.startswith("openai") or "HTTPStatusError" in {k.__name__ for k in kinds}
        ):
            return response
    return None


def chain(error: BaseException) -> Iterator[BaseException]:
    """What an exception goes back to, the nearest first."""
    for _ in range(20):
        cause = error.__cause__ or error.__context__
        if cause is None:
            return
        yield cause
        error = cause


def code(names: set[str]) -> str | None:
    """OpenAI's word for a kind of error, where clients look for one."""
    if "ContextWindowExceededError" in names:
        return "context_length_exceeded"
    return "content_filter" if "ContentPolicyViolationError" in names else None


def words(error: Exception) -> str:
    """What the provider said, without what LiteLLM wraps it in."""
    text = str(getattr(error, "message", "") or "")[: 4 * LONGEST]
    text = TRAILER.sub("", QUOTED.sub("", text))
    for said in parsed(text):
        return said[:LONGEST]
    return ADVICE.split(text)[0][:LONGEST]


def parsed(text: str) -> Iterator[str]:
    """The message within an error that is JSON, as providers shape it."""
    start, end = text.find("{"), text.rfind("}")
    try:
        found = orjson.loads(text[start : end + 1])
    except orjson.JSONDecodeError:
        return
    for each in (found.get("error"), found) if isinstance(found, dict) else ():
        if isinstance(each, dict) and isinstance(each.get("message"), str):
            yield each["message"]
        elif isinstance(each, str):
            yield each
