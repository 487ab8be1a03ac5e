"""Contexts as HTTP carries them: what is understood, and what is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.traces import parent_of

TRACE, SPAN = b"0af7651916cd43dd8448eb211c80319c", b"b7ad6b7169203331"


@pytest.mark.parametrize(("flags", "sampled"), [(b"00", False), (b"01", True), (b"03", True), (b"02", False)])
def test_a_context_is_read_and_written_again(flags: bytes, sampled: bool) -> None:
    """The flag says whether the caller keeps the trace."""
    parent = parent_of(b"00-%s-%s-%s" % (TRACE, SPAN, flags), b"vendor=x")
    assert parent is not None
    assert parent.sampled is sampled
    written = f"00-{TRACE.decode()}-{SPAN.decode()}-{int(sampled):02x}"
    assert parent.headers == {"traceparent": written, "tracestate": "vendor=x"}


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    """As the standard says; what follows is not passed on."""
    parent = parent_of(b"cc-%s-%s-01-what-the-future-brings" % (TRACE, SPAN))
    assert parent is not None
    assert parent.headers == {"traceparent": f"00-{TRACE.decode()}-{SPAN.decode()}-01"}


@pytest.mark.parametrize(
    "given",
    [
        b"",
        b"ff-%s-%s-01" % (TRACE, SPAN),
        b"00-%s-%s-01-more" % (TRACE, SPAN),
        b"00-%s-%s-01" % (b"0" * 32, SPAN),
        b"00-%s-%s-01" % (TRACE, b"0" * 16),
        b"00-%s-%s-01" % (TRACE.upper(), SPAN),
        b"00-%s-%s" % (TRACE, SPAN),
        b"00-%s-%s-1" % (TRACE, SPAN),
        b"00-%s-%s-01\n" % (TRACE, SPAN),
    ],
)
def test_what_is_no_context_is_none(given: bytes) -> None:
    """A call with it is served as one without."""
    assert parent_of(given) is None


@given(st.binary(max_size=600))
def test_nothing_that_is_sent_is_passed_on_unless_it_is_fit(state: bytes) -> None:
    """No line end and nothing long gets into the headers of a call of ours."""
    parent = parent_of(b"00-%s-%s-01" % (TRACE, SPAN), state)
    assert parent is not None
    passed = parent.headers.get("tracestate", "")
    assert len(passed) <= 512
    assert not set(passed) & {"\r", "\n", "\0"}
