"""The checks alone: `/v1/check` and `/v1/moderations`, without a backend."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.direct import check_items, moderated_texts
from proxy.errors import RequestError
from tests.world import BLOCK, CARD, IBAN, MARKER, REDACT, WATCH, world


def ask(folder: Path, path: str, body: Any, *policies: str) -> httpx.Response:
    async def main() -> httpx.Response:
        async with world(folder, *policies) as parapet:
            return await parapet.client.post(path, json=body)

    return asyncio.run(main())


def test_each_text_gets_its_findings_and_decision(tmp_path: Path) -> None:
    """Findings with spans and scores, the rule that decided, the text after redaction."""
    body = {"texts": ["fine", {"id": "b", "text": f"Pay {CARD} now", "role": "assistant", "direction": "completion"}]}
    answer = ask(tmp_path, "/v1/check", body, REDACT).json()
    fine, found = answer["results"]
    assert (fine["id"], fine["action"], fine["rule"], fine["findings"], fine["text"]) == (0, "allow", None, [], "fine")
    assert (found["id"], found["action"], found["policy"], found["rule"]) == ("b", "redact", "redacting", "no-cards")
    assert found["text"] == "Pay <CREDIT_CARD> now"
    [finding] = found["findings"]
    assert (finding["check"], finding["category"], finding["start"], finding["end"]) == ("pii", "CREDIT_CARD", 4, 23)
    assert answer["policies"][0].startswith("redacting@")


def test_a_blocked_text_is_not_given_back(tmp_path: Path) -> None:
    """There is no text that could go on."""
    [result] = ask(tmp_path, "/v1/check", {"text": f"Pay {IBAN}"}, BLOCK).json()["results"]
    assert (result["action"], result["text"]) == ("block", None)


def test_all_scores_name_every_category(tmp_path: Path) -> None:
    """Those of which nothing was found have the score 0."""
    [result] = ask(tmp_path, "/v1/check", {"text": CARD, "all_scores": True}, REDACT).json()["results"]
    assert result["scores"]["CREDIT_CARD"] > 0.9
    assert result["scores"]["IBAN_CODE"] == 0


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"texts": []},
        {"texts": MARKER},
        {"texts": [7]},
        {"texts": [{"text": 7}]},
        {"texts": [{"text": "x", "role": MARKER}]},
        {"texts": [{"text": "x", "role": [MARKER]}]},
        {"texts": [{"text": "x", "direction": MARKER}]},
        {"texts": [{"text": "x", "id": {MARKER: 1}}]},
        {"texts": [{"text": "x", MARKER: 1}]},
        {"text": "x", "direction": MARKER},
        [MARKER],
    ],
)
def test_a_bad_request_is_refused_without_repeating_it(body: Any, tmp_path: Path) -> None:
    """With what was expected, in the shape of all errors."""
    answer = ask(tmp_path, "/v1/check", body)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert MARKER not in answer.text


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3),
        lambda each: (
            st.lists(each, max_size=3)
            | st.dictionaries(st.sampled_from(("text", "texts", "input", "id", "role", "direction", "type")), each, max_size=4)
        ),
    )
)
def test_no_body_raises_anything_but_request_error(body: Any) -> None:
    """Whatever is sent is read or refused."""
    for read in (check_items, lambda given: moderated_texts(given) if isinstance(given, dict) else []):
        try:
            read(body)
        except RequestError:
            continue


def moderate(folder: Path, given: Any, *policies: str) -> openai.types.ModerationCreateResponse:
    """The official SDK's call."""

    async def main() -> openai.types.ModerationCreateResponse:
        async with world(folder, *policies) as parapet:
            client = openai.AsyncOpenAI(api_key="any", base_url="http://parapet/v1", http_client=parapet.client, max_retries=0)
            return await client.moderations.create(input=given)

    return asyncio.run(main())


def test_the_sdk_reads_moderations(tmp_path: Path) -> None:
    """One result for each text, typed; our categories stand beside OpenAI's."""
    answer = moderate(tmp_path, ["fine", f"my card is {CARD}"], WATCH)
    fine, found = answer.results
    assert not fine.flagged
    assert found.flagged
    assert fine.categories.harassment is False
    assert fine.category_scores.violence_graphic == 0.0
    assert found.categories.model_dump()["CREDIT_CARD"] is True
    assert found.category_scores.model_dump()["CREDIT_CARD"] > 0.9
    assert fine.category_applied_input_types.hate == ["text"]


def test_the_sdks_parts_are_one_input(tmp_path: Path) -> None:
    """Text parts are one text; an image is refused, since nobody looked at it."""
    [result] = moderate(tmp_path, [{"type": "text", "text": "my card"}, {"type": "text", "text": CARD}], WATCH).results
    assert result.flagged
    with pytest.raises(openai.BadRequestError, match="not inspected"):
        moderate(tmp_path, [{"type": "image_url", "image_url": {"url": "data:"}}])
