"""An answer may be referred to by whom it was guarded for, under the policies that held, until it is forgotten."""

from __future__ import annotations

from proxy.core import Principal
from proxy.gateway.seen import Seen

ADA, BOB = Principal("ada"), Principal("bob")


def test_an_answer_is_known_to_its_caller_under_its_policies() -> None:
    """To nobody else, and under no others."""
    seen = Seen()
    seen.add(ADA, "p@1", ["resp_1", "msg_1"])
    assert seen.has(ADA, "p@1", "resp_1")
    assert seen.has(ADA, "p@1", "msg_1")
    assert not seen.has(BOB, "p@1", "resp_1")
    assert not seen.has(ADA, "p@2", "resp_1")


def test_memory_is_bounded() -> None:
    """The oldest go first, and an id of any length is not kept."""
    seen = Seen(most=2)
    seen.add(ADA, "p", ["1", "2", "1", "3", "x" * 1000])
    assert [seen.has(ADA, "p", name) for name in ("1", "2", "3", "x" * 1000)] == [True, False, True, False]
