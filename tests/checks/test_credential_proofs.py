"""The proofs: a checksum or structure that holds raises the score, one that does not hold lowers it or refutes."""

from __future__ import annotations

import base64
import json

import pytest

from tests.checks.shapes import encoded, found, made


def test_github_checksum_is_that_of_real_tokens() -> None:
    """The published example of the format is proven; with one character changed it is only likely."""
    token = "ghp_" + "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ" + "0mLq17"
    assert [f.score for f in found(token, "GITHUB_TOKEN")] == [1.0]
    assert [f.score for f in found(token[:-1] + "8", "GITHUB_TOKEN")] == [0.85]


def test_a_checksum_of_grafana_raises_the_score() -> None:
    """The last eight characters are a CRC-32; with one changed the token is only likely."""
    token = made("glsa_{b62:32}_{crchex}")
    changed = token[:-1] + ("0" if token[-1] != "0" else "1")
    assert [f.score for f in found(token, "GRAFANA_TOKEN")] == [1.0]
    assert [f.score for f in found(changed, "GRAFANA_TOKEN")] == [0.95]


@pytest.mark.parametrize(
    ("category", "shape"),
    [
        ("BITCOIN_KEY", "WIF_KEY={wif}"), ("BITCOIN_KEY", "{xprv}"), ("STELLAR_SEED", "STELLAR_SECRET={strkey}"),
        ("NOSTR_KEY", "{nsec}"),
        ("AGE_KEY", "{agekey}"),
    ],
)  # fmt: skip  # pairs read better in rows
@pytest.mark.parametrize("place", [30, -1])
def test_a_wrong_checksum_refutes(category: str, shape: str, place: int) -> None:
    """A key of a chain or of age with one character changed is none."""
    for seed in range(5):
        key = made(shape, seed)
        other = "Q" if key.isupper() else "q"
        changed = key[:place] + (other if key[place] != other else "2" if category != "AGE_KEY" else "Z") + key[place:][1:]
        assert found(key, category)
        assert not found(changed, category)


def test_the_account_in_a_key_id_of_aws() -> None:
    """A key id whose account has twelve digits scores more than one that holds no base 32, or a larger number."""
    assert [f.score for f in found("AKIA" + made("Q{b32:15}"), "AWS_ACCESS_KEY")] == [0.95]
    assert [f.score for f in found("AKIA" + made("{b32:8}018189{b32:2}"), "AWS_ACCESS_KEY")] == [0.8]
    assert [f.score for f in found("AKIA" + made("77767777{b32:8}"), "AWS_ACCESS_KEY")] == [0.8]


def test_a_token_of_pypi_is_a_macaroon() -> None:
    """The location of the macaroon is the index; the same length of other bytes is nothing."""
    assert found(made("pypi-{macaroon}"), "PYPI_TOKEN")
    assert not found("pypi-AgE" + made("{url:120}"), "PYPI_TOKEN")


def test_header_and_claims_of_a_web_token_are_json() -> None:
    """Claims that are no JSON, or a header that names no algorithm, refute."""
    header, claims, signature = encoded('{"alg":"HS256"}'), encoded('{"sub":"42"}'), made("{url:43}")
    assert [f.score for f in found(f"{header}.{claims}.{signature}", "JWT")] == [1.0]
    assert not found(f"{header}.eyJ{signature}.{signature}", "JWT")
    assert not found(f"{claims}.{claims}.{signature}", "JWT")


def test_the_web_token_of_every_tutorial_is_an_example() -> None:
    """John Doe's claims are those of jwt.io."""
    claims = encoded(json.dumps({"sub": "1", "name": "John Doe", "iat": 1516239022}))
    token = ".".join((encoded('{"alg":"HS256"}'), claims, made("{url:43}")))
    assert [f.score for f in found(token, "JWT", least=0)] == [0.4]


def test_base64_of_something_else_is_no_private_key() -> None:
    """What begins like a PEM block and holds a certificate is left alone."""
    certificate = base64.b64encode(f"{'-' * 5}BEGIN CERTIFICATE{'-' * 5}\n{made('{b64:200}')}".encode()).decode()
    assert not found(f"client-certificate-data: {certificate}", "PRIVATE_KEY")
    assert found(f"client-key-data: {made('{encodedpem}')}", "PRIVATE_KEY")
