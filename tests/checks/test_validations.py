"""Check digits: published examples pass, and a wrong digit does not."""

from __future__ import annotations

import pytest

from proxy.checks import validations


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("luhn", "4111 1111 1111 1111"),
        ("verhoeff", "2363"),
        ("damm", "5724"),
        ("mod97", "506700GE1G29325QX363"),
        ("iban", "GB29 NWBK 6016 1331 9268 19"),
        ("mod11", "943 476 5919"),
        ("mod11_10", "86095742719"),
        ("elfproef", "111222333"),
    ],
)
def test_a_check_digit_is_checked(name: str, good: str) -> None:
    """A published example passes; with another last digit it does not."""
    valid = validations.VALIDATIONS[name]
    assert valid(good)
    assert not valid(good[:-1] + str((int(good[-1]) + 1) % 10))
    assert not valid("")
