"""Who calls: a key, given in either way, and the principal that it belongs to."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.access import Access
from proxy.core import Principal
from proxy.errors import AccessError
from proxy.settings import Key

ACCESS = Access([Key(name="ci", sha256=hashlib.sha256(b"key-1").hexdigest(), app="shop", team="payments")])


@pytest.mark.parametrize("header", ["Bearer key-1", "bearer key-1", "BEARER  key-1 ", "key-1"])
def test_a_known_key_names_its_principal(header: str) -> None:
    """As `Authorization: Bearer`, or bare, as `x-api-key` has it."""
    assert ACCESS.principal(header) == Principal("ci", "shop", "payments")


@given(st.text().filter(lambda text: "key-1" not in text))
def test_any_other_key_is_refused_without_repeating_it(header: str) -> None:
    """401; the error does not say what was given."""
    with pytest.raises(AccessError) as caught:
        ACCESS.principal(header)
    assert caught.value.status == 401
    assert str(caught.value) in {"this API key is not known", "no API key was given: send it as 'Authorization: Bearer KEY'"}


@pytest.mark.parametrize("authorization", ["", "Bearer ", "Bearer unknown", "Basic dXNlcjpwYXNz", "Bearer key-1"])
def test_either_header_may_hold_the_key(authorization: str) -> None:
    """An SDK that sends two, or a gateway in front with an `Authorization` of its own, does not hide the known one."""
    assert ACCESS.principal(authorization, "key-1") == Principal("ci", "shop", "payments")


def test_of_two_known_keys_the_authorization_counts() -> None:
    """The other does not change who calls."""
    keys = [Key(name=name, sha256=hashlib.sha256(name.encode()).hexdigest()) for name in ("first", "second")]
    assert Access(keys).principal("Bearer first", "second").key == "first"


def test_two_unknown_keys_are_refused() -> None:
    """Two wrong ones make no right one."""
    with pytest.raises(AccessError, match="not known"):
        ACCESS.principal("Bearer a", "b")


def test_without_keys_everyone_may_call() -> None:
    """As nobody in particular."""
    assert Access([]).principal("Bearer anything") == Principal()
