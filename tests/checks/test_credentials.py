"""What the `secrets` check finds, and what it leaves alone.

Every credential here is made at run time from the shapes in the table, so that no scanner trips on this repository.
"""

from __future__ import annotations

import base64
import json
import random
import re
import string
import zlib
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from proxy.checks.credential_kinds import CATEGORIES, KINDS, Kind
from proxy.checks.credentials import BASE62, KIND, PROOFS, REACH, Secrets, SecretsOptions, written
from proxy.checks.expression import fold, screened
from proxy.core import Finding

ALPHABETS = {
    "b62": BASE62, "b64": BASE62 + "+/", "url": BASE62 + "-_", "hex": "0123456789abcdef", "dig": string.digits,
    "up": string.ascii_uppercase + string.digits, "b32": string.ascii_uppercase + "234567",
}  # fmt: skip  # a table reads better in rows
FIELD = re.compile(r"\{(\w+)(?::(\d+))?\}")
DASHES = "-" * 5


def encoded(value: str) -> str:
    """In base 64 as URLs write it."""
    return base64.urlsafe_b64encode(value.encode()).decode().rstrip("=")


def crc62(payload: str) -> str:
    """The checksum, worked out apart from the check."""
    number = zlib.crc32(payload.encode())
    return "".join(BASE62[number // 62**power % 62] for power in range(5, -1, -1))


def pem(rng: random.Random, label: str, newline: str = "\n", *, end: bool = True, lines: int = 6) -> str:
    """A PEM block of random lines."""
    body = ["".join(rng.choices(ALPHABETS["b64"], k=64)) for _ in range(lines)] + ["".join(rng.choices(BASE62, k=9)) + "="]
    if not end:
        return newline.join([f"{DASHES}BEGIN {label}{DASHES}", *body[:-1]])
    return newline.join([f"{DASHES}BEGIN {label}{DASHES}", *body, f"{DASHES}END {label}{DASHES}"])


def made(shape: str, seed: int = 1, *, fill: str = "") -> str:
    """An example of `shape`; with `fill`, that character stands where random ones would."""
    rng = random.Random(seed)

    def field(match: re.Match[str]) -> str:
        name, count = match.groups()
        special = {
            "crc": lambda: crc62(drawn[-1]),
            "jwt": lambda: encoded('{"alg":"HS256","typ":"JWT"}') + "." + encoded(json.dumps({"sub": str(rng.random())})),
            "pem": lambda: pem(rng, "RSA PRIVATE KEY").removeprefix(f"{DASHES}BEGIN RSA "),
            "snowflake": lambda: encoded(str(rng.randrange(10**17, 10**18))),
            "basic": lambda: encoded("admin:" + "".join(rng.choices(BASE62, k=13))),
        }
        drawn.append(
            (fill * int(count) if fill else "".join(rng.choices(ALPHABETS[name], k=int(count)))) if count else special[name]()
        )
        return drawn[-1]

    drawn: list[str] = []
    return FIELD.sub(field, shape)


def build_secrets(*kinds: str, allow: Sequence[str] = ()) -> Secrets:
    """The pattern check itself."""
    return Secrets(SecretsOptions(allow=list(allow)), sorted(kinds or CATEGORIES))


ALL = build_secrets()


def found(text: str, *kinds: str, check: Secrets = ALL) -> list[Finding]:
    """The findings in `text`, of some categories or all, that a threshold of one half lets through."""
    findings = [f for f in check.confirm(text, kinds or CATEGORIES) if f.score >= 0.5]
    return sorted(findings, key=lambda f: (f.start, f.end, f.category))


def secrets_in(text: str, *kinds: str) -> list[str]:
    """What is reported, as text."""
    return [text[f.start : f.end] for f in found(text, *kinds)]


every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.category}: {kind.title}")


@every_kind
def test_every_kind_finds_its_examples_in_any_surroundings(kind: Kind) -> None:
    """Each row of the table finds what its shape makes, between spaces, quotes, brackets, line ends and a sentence's words."""
    for seed, (left, right) in enumerate(
        [("", ""), ("use ", " now"), ('"', '",'), ("(", ")\n"), ("x = \n", "\n"), ("\\n", "\\n")]
    ):
        example = made(kind.shape, seed)
        text = left + example + right
        hits = [f for f in found(text, kind.category) if f.start >= len(left)]
        assert hits, f"{left!r}, {right!r}"
        assert all(f.category == kind.category and f.end <= len(left) + len(example) for f in hits)


@every_kind
def test_every_kind_is_silent_about_its_near_misses(kind: Kind) -> None:
    """What has the shape, but is cut short or filled with x's, is not reported."""
    if "{pem}" in kind.shape:
        misses = [f"{DASHES}BEGIN RSA PRIVATE KEY{DASHES}\n...\n{DASHES}END RSA PRIVATE KEY{DASHES}"]
    else:
        short = re.sub(r"\{(?:crc|basic|jwt|snowflake)\}", "abc", re.sub(r":\d{2,}\}", ":3}", kind.shape))
        misses = [made(short)] if kind.proof != "url" else []  # a password in a URL may be short
        misses += [made(kind.shape, fill="x")] if not re.search(r"\{(?:crc|basic|jwt)\}", kind.shape) else []
    assert misses
    for miss in misses:
        assert not found(miss, kind.category), "a near miss was reported"


@every_kind
def test_no_letter_may_touch_a_token(kind: Kind) -> None:
    """A token in the middle of a longer word is no token."""
    if kind.edges:
        example = made(kind.shape)
        begin = re.search(written(kind)[0], example)
        assert begin
        token = example[begin.start() :]
        assert found(token, kind.category)
        assert not [f for f in found(f"Q{token}", kind.category) if f.start <= 1]


def test_the_table_is_sound() -> None:
    """Every row names a proof that exists, a score in range, and the catalogue offers every category."""
    for kind in KINDS:
        assert not kind.proof or kind.proof in PROOFS
        assert 0.5 <= kind.score <= 1.0
    assert set(PROOFS) == {kind.proof for kind in KINDS} - {""}
    assert KIND.categories == CATEGORIES == tuple(dict.fromkeys(kind.category for kind in KINDS))


@every_kind
def test_every_expression_can_be_screened(kind: Kind) -> None:
    """Its superset matches each example, with Hyperscan where that is installed and with re."""
    superset = screened(*written(kind)).superset.encode("latin-1")
    folded = fold(made(kind.shape))
    assert re.search(superset, folded)
    hyperscan = pytest.importorskip("hyperscan")
    database = hyperscan.Database()
    database.compile(expressions=[superset], ids=[0], elements=1, flags=[hyperscan.HS_FLAG_SINGLEMATCH])
    seen: list[int] = []
    database.scan(folded, match_event_handler=lambda *event: seen.append(event[0]))
    assert seen


def test_github_checksum_is_that_of_real_tokens() -> None:
    """The published example of the format is proven; with one character changed it is only likely."""
    token = "ghp_" + "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ" + "0mLq17"
    assert [f.score for f in found(token, "GITHUB_TOKEN")] == [1.0]
    assert [f.score for f in found(token[:-1] + "8", "GITHUB_TOKEN")] == [0.85]


@pytest.mark.parametrize(
    "label",
    ["RSA PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY", "PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "PGP PRIVATE KEY BLOCK"],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\\n", "\n    "])
def test_a_private_key_is_reported_whole(label: str, newline: str) -> None:
    """From BEGIN to END, however its lines are joined."""
    block = pem(random.Random(3), label, newline)
    assert secrets_in(f'key = "{block}" and more', "PRIVATE_KEY") == [block]


@pytest.mark.parametrize("newline", ["\n", "\\n"])
def test_a_private_key_without_end_is_reported_as_far_as_it_goes(newline: str) -> None:
    """A block that was cut off ends where its base64 lines do, and its headers belong to it."""
    block = pem(random.Random(4), "RSA PRIVATE KEY", newline, end=False)
    assert secrets_in(f"{block}{newline}\nThat was it.", "PRIVATE_KEY") == [block]
    headed = block.replace(newline, f"{newline}Proc-Type: 4,ENCRYPTED{newline}DEK-Info: AES-128-CBC,00AA{newline}{newline}", 1)
    assert secrets_in(headed, "PRIVATE_KEY") == [headed]


def test_a_key_longer_than_the_reach_is_not_let_pass() -> None:
    """As much as the check reaches is reported."""
    block = pem(random.Random(5), "RSA PRIVATE KEY", lines=2 * REACH // 64)
    (finding,) = found(block, "PRIVATE_KEY")
    assert REACH - 64 < finding.end - finding.start <= REACH


WORD = made("{b62:14}", 7)
HEX = made("{hex:40}", 8)


@pytest.mark.parametrize(("text", "secret"), [
    (f"password = {WORD}", WORD),
    (f'"password": "{WORD}",', WORD),
    (f"DB_PASSWORD='{WORD}'", WORD),
    (f"my password is {WORD}.", WORD),
    (f"**Password:** {WORD}", WORD),
    (f"<password>{WORD}</password>", WORD),
    (f'password: str = "{WORD}"', WORD),
    (f"login(user, password={WORD})", WORD),
    (f"jdbc:postgresql://h/db?user=x&password={WORD}&ssl=true", WORD),
    (f"mein Passwort ist {WORD}", WORD),
    (f"密码：{WORD}", WORD),
    ("passwd: p6@Fx!RB#q", "p6@Fx!RB#q"),
    (f"tool --password {WORD} --verbose", WORD),
    (f"curl -u 'admin:{WORD}' https://a.example", WORD),
    (f"API_KEY={HEX}", HEX),
    (f'{{\\"api_key\\": \\"{HEX}\\"}}', HEX),
    (f"X-Api-Key: {HEX}", HEX),
    (f"client.secret: {made('{b62:40}', 9)}", made("{b62:40}", 9)),
    (f"Here is the credential you asked for:\n{HEX}\nKeep it safe", HEX),
    (f"my key is {HEX}, is it valid", HEX),
    (f"api key: {made('{hex:8}-{hex:4}-{hex:4}-{hex:4}-{hex:12}')}", made("{hex:8}-{hex:4}-{hex:4}-{hex:4}-{hex:12}")),
    (f"Authorization: Bearer {WORD}x9X", f"{WORD}x9X"),
    (f"postgres://svc:{WORD}@db.internal:5432/app", WORD),
    (f"mongodb+srv://svc:{WORD}@cluster0.example/?retryWrites=true", WORD),
    (f"redis://:{WORD}@cache:6379/0", WORD),
    ("postgres://svc:a/b+C9d@e@db.internal/app", "a/b+C9d@e"),
])  # fmt: skip  # a table reads better in rows
def test_the_secret_alone_is_reported(text: str, secret: str) -> None:
    """However a name and a value are joined, what is reported is the value, exactly."""
    assert secret in secrets_in(text)
    assert set(secrets_in(text)) == {secret}


@pytest.mark.parametrize(
    "text",
    [
        "password = get_password()",
        'api_key=os.environ["KEY"]',
        "api_key = os.getenv('OPENAI_API_KEY')",
        "token: string",
        "password?: string;",
        "your password is required",
        "Your password must be at least 12 characters",
        '"password": "Your password"',
        "password: <password>",
        "password=${DB_PASSWORD}",
        "password: $PASSWORD",
        "password: {{ vault_password }}",
        "password = config.database.password2",
        "password: ********",
        "PASSWORD=changeme",
        'password: "password"',
        "secret: my-secret-name",
        "token = response.json()['token']",
        "a=function(e){this.token=t.token,password:e.password,secret:n.secret1}",
        "max_tokens=4096",
        "the secretary: Margaret Thatcher1979",
        "secretName: kube-system-token-7",
        "AUTH_TOKEN=AZURE_OPENAI_API_KEY",
        "token: 12345678901234567890",
        "passwordless: true123456",
        "postgres://user:password@localhost/db",
        "postgres://user:<password>@localhost/db",
        "https://user:${TOKEN}@github.com/a/b",
        "postgres://postgres:postgres@localhost:5432/postgres",
        "https://example.com:8080/path?email=foo@bar.com",
        "ssh://git@github.com:22/a/b",
        "docker run -u 1000:1000 image",
        "git push -u origin:main",
        "a basic understanding of things",
        "a bearer of extraordinarily bad news",
        "token: " + made("{hex:8}-{hex:4}-{hex:4}-{hex:4}-{hex:12}"),
        "commit " + HEX,
        "sha256:" + made("{hex:64}"),
        'etag: W/"' + HEX[:32] + '"',
        "traceparent: 00-" + made("{hex:32}-{hex:16}") + "-01",
        'integrity="sha512-' + made("{b64:86}") + '=="',
        "data:image/png;base64," + made("{b64:400}"),
        ".a{background:url(#b);color:#00ff00}",
        'version = "4ab0641"',
        "ssh-ed25519 " + made("{b64:68}"),
        "Bearer YOUR_API_KEY_GOES_HERE",
        "sk-your-api-key-goes-right-here-please",
        "[JWT](https://www.iana.org/assignments/jwt/jwt.xhtml)",
        f"{DASHES}BEGIN PUBLIC KEY{DASHES}\n" + made("{b64:64}") + f"\n{DASHES}END PUBLIC KEY{DASHES}",
        "eyJ" + made("{url:30}.eyJ{url:30}.{url:30}"),
    ],
)
def test_what_is_no_secret_passes(text: str) -> None:
    """References, calls, types, placeholders, words, hashes, identifiers and encoded data are not secrets."""
    assert secrets_in(text) == []


def test_a_published_example_scores_half() -> None:
    """A key that calls itself an example is found at 0.5, and passes when the rule allows it."""
    key = "AKIA" + "IOSFODNN7" + "EXAMPLE"
    assert [f.score for f in found(key)] == [0.5]
    assert found(key, check=build_secrets(allow=[key])) == []


def test_options_are_checked() -> None:
    """An unknown kind or option is refused; the categories limit what is looked for."""
    for bad in ({"kinds": ["NO_SUCH_KIND"]}, {"kind": ["JWT"]}):
        with pytest.raises(ValidationError):
            SecretsOptions.model_validate(bad)
    assert SecretsOptions.model_validate({"kinds": ["JWT"]}).kinds == ["JWT"]
    assert list(build_secrets("JWT").expressions) == ["JWT"]
    assert not build_secrets("JWT").confirm(made("AKIA{b32:16}"), CATEGORIES)


piece = st.one_of(
    st.builds(made, st.sampled_from([kind.shape for kind in KINDS]), st.integers(0, 50)),
    st.sampled_from(
        [
            "password",
            "secret:",
            "= ",
            "\n",
            "https://u:",
            "@h ",
            "token is ",
            "Bearer ",
            " ",
            "the end.",
            DASHES,
            "\\n",
            '"',
            "é",
            "K",
        ]
    ),
    st.text(max_size=8),
)


def matches(text: str) -> list[tuple[int, int]]:
    """Where the expressions match, from every place in `text`."""
    spans = []
    for kind in KINDS:
        pattern, at = re.compile(*written(kind)), 0
        while match := pattern.search(text, at):
            spans.append(match.span())
            at = match.start() + 1
    return spans


@settings(max_examples=200, deadline=None)
@given(st.lists(piece, min_size=1, max_size=8), st.data())
def test_a_window_shows_what_the_whole_shows(pieces: list[str], data: st.DataObject) -> None:
    """Findings are the same in a window that begins after white space that no match spans, and ends beyond the match."""
    text = " ".join(pieces)
    spans = matches(text)
    starts = [i for i in range(len(text) + 1) if not i or text[i - 1].isspace()]
    start = data.draw(st.sampled_from([i for i in starts if not any(a < i < b for a, b in spans)]))
    end = data.draw(st.integers(start, len(text)))
    whole = set(ALL.confirm(text, CATEGORIES))
    tail = {replace(f, start=f.start + start, end=f.end + start) for f in ALL.confirm(text[start:], CATEGORIES)}
    assert tail == {f for f in whole if f.start >= start}
    window = {replace(f, start=f.start + start, end=f.end + start) for f in ALL.confirm(text[start:end], CATEGORIES)}
    complete = {f for f in whole if f.start >= start and all(b < end for a, b in spans if a <= f.start < b)}
    assert complete <= window


@settings(max_examples=100, deadline=None)
@given(st.lists(piece, min_size=1, max_size=6))
def test_the_screen_misses_nothing(pieces: list[str]) -> None:
    """Wherever there is a finding, an expression of its category matches the folded text."""
    text = "".join(pieces)
    for finding in ALL.confirm(text, CATEGORIES):
        forms = [screened(e.pattern, e.flags).superset.encode("latin-1") for e in ALL.expressions[finding.category]]
        assert any(re.search(form, fold(text)) for form in forms)


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "=",
        "password=",
        "password: ",
        "secret is ",
        f"{DASHES}BEGIN RSA PRIVATE KEY{DASHES}",
        "eyJ",
        "eyJhbGciOiJ9.",
        "http://",
        "a:b@",
        ";password=",
        "sk-proj-",
        "token",
        "\t",
        "A/+",
        "-u a:",
    ],
)
def test_hostile_texts_come_to_an_end(unit: str) -> None:
    """A hundred thousand characters of one thing, alone or after a name, do not make the expressions backtrack without end."""
    for text in (unit * (100_000 // len(unit)), "password" + unit * (100_000 // len(unit)) + '"'):
        assert all(0 <= f.start < f.end <= len(text) for f in ALL.confirm(text, CATEGORIES))
