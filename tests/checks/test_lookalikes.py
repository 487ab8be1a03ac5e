"""What resembles a secret and is none passes: placeholders, references, examples, digests, identifiers, code."""

from __future__ import annotations

import pytest

from tests.checks.shapes import ALL, DASHES, build_secrets, found, made, secrets_in

HEX = made("{hex:40}", 8)
UUID = made("{hex:8}-{hex:4}-{hex:4}-{hex:4}-{hex:12}")
COUNTS = "abcd1234efgh5678ijkl9012mnop3456"


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
        # placeholders
        "OPENAI_API_KEY=your-api-key",
        "api_key: your_api_key_here",
        "API_KEY=xxxxxxxxxxxxxxxxxxxxxxxx",
        "export GITHUB_TOKEN=ghp_" + "x" * 36,
        "export GITHUB_TOKEN=ghp_" + "your0token0here" + "0" * 21,
        "STRIPE_SECRET_KEY=sk_live_" + "yourStripeSecretKeyHere1",
        "token: <insert-token-here>",
        "secret: replace-me-with-a-secret-1234",
        "api_key = 'test_api_key_1234567890'",
        "client_secret: dummy-client-secret-0001",
        "auth_token: fake-token-for-tests-42",
        "password: some-password-1",
        "password=${POSTGRES_PASSWORD:-postgres}",
        "API_KEY=" + COUNTS,
        "api_key: '1234567890abcdefghij'",
        "secret_key = 'abcdefghijklmnopqrstuvwxyz123456'",
        "token: aB1cD2eF3gH4iJ5kL6mN7oP8",
        "password: ••••••••••",
        'api_key: "..."',
        "SECRET_KEY=changeit-changeit-123",
        # references
        "password: !Ref DatabasePassword1",
        "token: ${{ secrets.NPM_TOKEN_2 }}",
        "secret_key: !vault | $ANSIBLE_VAULT;1.1;AES256",
        "password: ENC[AES256_GCM,data:" + made("{b64:20}") + ",tag:x]",
        "password: ENC(" + made("{b64:32}") + ")",
        "api_key=settings.services.api_key_2",
        "token = request.headers['x-api-token2']",
        "secret: arn:aws:secretsmanager:eu-west-1:123456789012:secret:app-AbCdEf",
        "const apiKey = process.env.API_KEY_V2",
        "access_key = data.vault_generic_secret.aws2.data",
        # digests, identifiers, versions
        f"request token: {UUID}",
        f"key: {UUID}",
        f"Merge commit {HEX} into main",
        f"index {HEX[:7]}..{HEX[7:14]} 100644",
        f"checksum: {made('{hex:64}')}",
        f"md5  {made('{hex:32}')}  README.md",
        f"image: app@sha256:{made('{hex:64}')}",
        f'    "integrity": "sha512-{made("{b64:86}")}==",',
        f"  resolution: {{integrity: sha512-{made('{b64:86}')}==}}",
        f"secret-hash: sha512-{made('{b64:86}')}==",
        f'token = "sha256:{made("{hex:64}")}"',
        f"golang.org/x/text v0.3.0 h1:{made('{b64:43}')}=",
        f"--hash=sha256:{made('{hex:64}')}",
        f'etag: W/"{HEX}"',
        f"session: {made('{hex:16}')}",
        f"x-request-id: {made('{b62:22}')}",
        f"/static/js/main.{made('{hex:8}')}.chunk.js",
        f"url(data:font/woff2;base64,{made('{b64:600}')})",
        f"blob:https://a.example/{UUID}",
        f"AAAAB3NzaC1yc2EAAAADAQABAAABgQ{made('{b64:340}')} svc@host",
        "js-tokens@^4.0.0, csrf-token@1.2.3",
        "token 2024-05-06T07:08:09.123Z",
        # code and configuration
        "!function(t,e){var n=t.token||e.secretKey;t.exports={password:n.pw,apiKey:n.k1}}(this);",
        "if (token.type === 'IDENTIFIER2' && password.length > 12) {",
        "def login(self, username: str, password: str) -> Token2: ...",
        "SELECT password_hash, token_id2 FROM users",
        "secretKeyRef:\n  name: app-secrets-v2\n  key: database-password",
        "accessKeyId: !GetAtt Key2.Arn",
        "- name: API_KEY\n  valueFrom:\n    secretKeyRef: app",
        '<input type="password" name="password" autocomplete="new-password1">',
        "tokenizer: bert-base-uncased-v2",
        "max_new_tokens=4096, pad_token='<pad>'",
        "--token-file /var/run/secrets/token2",
        "--public-key ~/.ssh/id_ed25519.pub",
        "set the token limit to 4096 now",
        "user:pass@tcp(localhost:3306)/db",
        "postgresql://USER:PASSWORD@HOST:5432/DB",
        "redis://default:<your-password>@host:6379",
        "localhost:5432:app:svc:$PGPASSWORD",
        "mysql -u root -p app < dump.sql",
        "wss://example.com:443/socket?user=a@b.example",
        f"PuTTY-User-Key-File-3: ssh-ed25519\nPublic-Lines: 2\n{made('{b64:64}')}",
    ],
)
def test_what_is_no_secret_passes(text: str) -> None:
    """References, calls, types, placeholders, words, hashes, identifiers and encoded data are not secrets."""
    assert secrets_in(text) == []


def test_a_published_example_is_below_the_usual_threshold() -> None:
    """A key that calls itself an example is found at 0.4, for rules that ask for so little; one that is allowed is not."""
    key = "AKIA" + "IOSFODNN7" + "EXAMPLE"
    assert [f.score for f in found(key, least=0)] == [0.4]
    assert found(key, check=build_secrets(allow=[key]), least=0) == []


def test_a_value_printed_in_a_manual_is_an_example() -> None:
    """Stripe's test key and the key of the storage emulator are known to all; another of their shape is not."""
    known = "sk_test_" + "4eC39HqL" + "yjWDarjtT1zdp7dc"
    assert [f.score for f in found(known, "STRIPE_KEY", least=0)] == [0.4]
    assert [f.score for f in found(made("sk_test_{b62:24}"), "STRIPE_KEY")] == [0.95]


def test_a_token_that_counts_up_is_an_example() -> None:
    """The shape of a vendor filled with an alphabet is found at 0.4."""
    text = "sk-" + COUNTS
    assert not found(text)
    assert [f.score for f in ALL.confirm(text, ["OPENAI_KEY"])] == [0.4]


def test_a_weak_password_is_a_password() -> None:
    """What people take for passwords is none of the placeholders."""
    for text in ("password = Summer2024!", "pwd: Passw0rd!99", "my password is qwerty123456!"):
        assert secrets_in(text)
