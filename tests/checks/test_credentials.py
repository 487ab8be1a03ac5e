"""What the `secrets` check finds in texts of all sorts: what is reported of a match, and that nothing depends on the cut."""

from __future__ import annotations

import random
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from proxy.checks.credential_kinds import CATEGORIES, KINDS
from proxy.checks.credentials import REACH, SecretsOptions, written
from proxy.checks.expression import fold, screened
from tests.checks.shapes import ALL, DASHES, build_secrets, found, made, pem, secrets_in
from tests.examples import examples, thorough


@pytest.mark.parametrize(
    "label",
    [
        "RSA PRIVATE KEY",
        "EC PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
        "PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY",
        "DSA PRIVATE KEY",
        "PGP PRIVATE KEY BLOCK",
        "SSH2 ENCRYPTED PRIVATE KEY",
        "ENCRYPTED SIGSTORE PRIVATE KEY",
        "TSS2 PRIVATE KEY",
        "OpenVPN Static key V1",
    ],
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
LONG = made("{b62:32}", 11)


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
    # .env, shells, YAML, TOML, JSON, XML, code
    (f"export DB_PASSWORD={WORD}", WORD),
    (f"$env:API_TOKEN = '{LONG}'", LONG),
    (f"setx API_KEY {LONG}", LONG),
    (f"ENV SECRET_KEY {LONG}", LONG),
    (f"tool --api-key {LONG} --verbose", LONG),
    (f"- name: API_KEY\n  value: {LONG}\n", LONG),
    (f"- name: DB_PASSWORD\n  value: '{WORD}'\n", WORD),
    (f'{{"name": "API_TOKEN", "value": "{LONG}"}}', LONG),
    (f'<add key="ApiKey" value="{LONG}" />', LONG),
    (f'[api]\nsecret_key = "{LONG}"\n', LONG),
    (f'password = "{WORD}" # the old one', WORD),
    (f"define('DB_PASSWORD', '{WORD}');", WORD),
    (f'os.environ.setdefault("API_KEY", "{LONG}")', LONG),
    (f'{{"apiKey": "{LONG}"}}', LONG),
    (f"api_key=>'{LONG}'", LONG),
    (f"https://a.example/v1/x?key={LONG}&q=1", LONG),
    (f"Authorization: Token {LONG}", LONG),
    (f"machine api.example login svc password {WORD}", WORD),
    (f'smtp.login("svc@a.example", "{WORD}")', WORD),
    (f'requests.get(u, auth=HTTPBasicAuth("svc", "{WORD}"))', WORD),
    (f"mysqldump -h db -u svc -p{WORD} app", WORD),
    (f"sshpass -p '{WORD}' ssh svc@host", WORD),
    # drivers
    (f"mysql+pymysql://svc:{WORD}@db/app", WORD),
    (f"amqps://svc:{WORD}@mq.internal:5671/vhost", WORD),
    (f"clickhouse://svc:{WORD}@ch:9000", WORD),
    (f"mssql+pyodbc://svc:{WORD}@dsn", WORD),
    (f"rediss://default:{WORD}@cache:6380", WORD),
    (f"cloudinary://{made('{dig:15}')}:{WORD}@demo", WORD),
    (f"https://svc:{WORD}@git.example/a/b.git", WORD),
    (f"ldap://cn=admin:{WORD}@ldap.example", WORD),
    (f"svc:{WORD}@tcp(db:3306)/app?parseTime=true", WORD),
    (f"Server=tcp:db,1433;User ID=svc;Password={WORD};Encrypt=True;", WORD),
    (f"Driver={{ODBC Driver 18}};Uid=svc;Pwd={WORD};", WORD),
    (f"host=db port=5432 user=svc password={WORD} sslmode=require", WORD),
    (f"jdbc:oracle:thin:svc/{WORD}@//db:1521/app", WORD),
    (f"db.example:5432:app:svc:{WORD}", WORD),
])  # fmt: skip  # a table reads better in rows
def test_the_secret_alone_is_reported(text: str, secret: str) -> None:
    """However a name and a value are joined, what is reported is the value, exactly."""
    assert secret in secrets_in(text)
    assert set(secrets_in(text)) == {secret}


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


@settings(max_examples=examples(200), deadline=None)
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


@settings(max_examples=examples(100), deadline=None)
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
    """Thirty thousand characters of one thing, alone or after a name, do not make the expressions backtrack without end."""
    run = unit * ((30_000 if thorough() else 5_000) // len(unit))
    for text in (run, f'password{run}"'):
        assert all(0 <= f.start < f.end <= len(text) for f in ALL.confirm(text, CATEGORIES))
