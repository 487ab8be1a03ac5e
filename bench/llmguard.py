"""llm-guard's offline scanners behind a Starlette relay: run with the Python of the peer `llm-guard`. It has no streams."""

from __future__ import annotations

import argparse
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PATH = "/v1/chat/completions"
PATTERNS = [r"\b\d{3}-\d{2}-\d{4}\b", r"\b[\w.+-]+@[\w-]+\.[\w.]+\b", r"\b(?:\d[ -]?){13,16}\b"]
PHRASES = ["ignore all previous instructions", "print your system prompt", "no restrictions"]


def scanners() -> tuple[list[Any], list[Any]]:
    """Those of llm-guard that need no model from the network, for prompts and for answers."""
    from llm_guard import input_scanners, output_scanners

    prompt = [
        input_scanners.Secrets(),
        input_scanners.Regex(patterns=PATTERNS, is_blocked=True),
        input_scanners.BanSubstrings(substrings=PHRASES),
        input_scanners.InvisibleText(),
    ]
    answer = [output_scanners.Regex(patterns=PATTERNS, is_blocked=True), output_scanners.BanSubstrings(substrings=PHRASES)]
    return prompt, answer


def application(upstream: str) -> Starlette:
    """The relay."""
    import aiohttp
    from llm_guard import scan_output, scan_prompt

    prompt, answer = scanners()
    sessions: list[aiohttp.ClientSession] = []

    async def endpoint(request: Request) -> Response:
        if not sessions:
            sessions.append(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        asked = orjson.loads(await request.body())
        for message in asked["messages"]:
            message["content"], valid, _ = scan_prompt(prompt, message["content"])
            if not all(valid.values()):
                return Response(b'{"error":{"message":"blocked","code":"content_filter"}}', 400, media_type="application/json")
        async with sessions[0].post(upstream + PATH, data=orjson.dumps(asked)) as backend:
            said = orjson.loads(await backend.read())
        message = said["choices"][0]["message"]
        message["content"], valid, _ = scan_output(answer, asked["messages"][-1]["content"], message["content"])
        if not all(valid.values()):
            message["content"] = ""
        return Response(orjson.dumps(said), media_type="application/json")

    return Starlette(routes=[Route(PATH, endpoint, methods=["POST"])])


def main() -> None:
    """`python -m bench.llmguard --backend URL --port PORT`."""
    import uvicorn

    parser = argparse.ArgumentParser(prog="python -m bench.llmguard", description=__doc__)
    parser.add_argument("--backend", required=True)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    uvicorn.run(application(arguments.backend), port=arguments.port, access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
