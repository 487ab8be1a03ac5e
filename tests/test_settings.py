"""The settings: where values come from, what is refused and how, and that the docs list them all."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy import settings
from proxy.errors import FileError, SettingError

ROOT = Path(__file__).parent.parent
LEGAL = {
    "host": "0.0.0.0",
    "port": "9000",
    "workers": "3",
    "policies": "shipped,/etc/policies",
    "reload": "0",
    "pools": "{small: {backends: [{kind: echo, pace: 5ms}]}}",
    "services": "{zoo: {url: 'http://zoo', api_key_header: x-key}}",
    "keys": "[{name: desk, sha256: " + "0a" * 32 + "}]",
    "max_body": "1MB",
    "max_segments": "10",
    "connect_timeout": "200ms",
    "first_byte_timeout": "2m",
    "idle_timeout": "1.5s",
    "connections": "7",
    "check_timeout": "1s",
    "check_threads": "2",
    "check_queue": "5",
    "inline_chars": "100",
    "max_hold": "4KiB",
    "models": "/opt/models",
    "classifier_device": "auto",
    "classifier_threads": "4",
    "classifier_batch": "16",
    "classifier_wait": "5ms",
    "classifier_queue": "100",
    "classifier_cache": "10",
    "verdict_cache": "0",
    "redaction_key_env": "OUR_KEY",
    "vault": "redis://vault:6379/2",
    "vault_password_env": "OUR_PASSWORD",
    "vault_ttl": "2h",
    "vault_timeout": "50ms",
    "vault_values": "100",
    "vault_conversations": "500",
    "record": "/var/log/parapet.jsonl",
    "traces": "http://collector:4318",
    "traces_share": "0.25",
    "log_level": "debug",
    "log_format": "json",
    "hidden_text": "pass",
    "uninspected": '{"realtime": "echo"}',
    "shutdown_grace": "5s",
    "shutdown_delay": "2s",
}


def write(folder: Path, text: str) -> Path:
    """A configuration file."""
    file = folder / "parapet.yaml"
    file.write_text(text)
    return file


def refused(text: str, folder: Path, environ: Mapping[str, str] | None = None) -> list[str]:
    """What loading a file complains of."""
    with pytest.raises(FileError) as caught:
        settings.load(write(folder, text), environ or {}, {})
    return [str(problem).removeprefix(f"{folder}/") for problem in caught.value.problems]


def misset(environ: Mapping[str, str], **overrides: object) -> SettingError:
    """What loading complains of without a file."""
    with pytest.raises(SettingError) as caught:
        settings.load(None, environ, overrides)
    return caught.value


def test_without_anything_the_shipped_policies_and_the_embedded_backend_are_used() -> None:
    """The defaults are enough to start."""
    found = settings.load(None, {}, {})
    assert found == settings.Settings()
    assert found.policies == (settings.shipped_policies(),)
    assert [backend.kind for backend in found.pools["echo"].backends] == ["echo"]


def test_the_shipped_policies_are_there() -> None:
    """In a checkout they are the folder beside the package."""
    assert settings.shipped_policies() == ROOT / "policies"
    assert settings.shipped_policies().is_dir()


def test_the_command_line_wins_over_variables_over_the_file_over_defaults(tmp_path: Path) -> None:
    """Each value says where it comes from."""
    file = write(tmp_path, "host: 10.0.0.1\nport: 1001\nworkers: 2\n")
    found = settings.load(file, {"PARAPET_PORT": "1002", "PARAPET_HOST": "10.0.0.2"}, {"host": "10.0.0.3", "reload": None})
    assert (found.host, found.port, found.workers, found.reload) == ("10.0.0.3", 1002, 2, 2.0)
    places = [found.source(name) for name in ("host", "port", "workers", "reload")]
    assert places == ["the command line", "PARAPET_PORT", f"{file}:3", "default"]


@pytest.mark.parametrize("row", settings.table(), ids=lambda row: row.name)
def test_every_setting_is_taken_from_its_variable_and_the_file_alike(row: settings.Row, tmp_path: Path) -> None:
    """What a variable says, the file can say, and both mean the same."""
    written = LEGAL[row.name]
    secret = {LEGAL[name]: "x" * 32 for name in ("redaction_key_env", "vault_password_env")}
    file = write(tmp_path, f"{row.name}: {written.split(',') if row.name == 'policies' else written}\n")
    named, filed = settings.load(None, {**secret, row.variable: written}, {}), settings.load(file, secret, {})
    assert getattr(named, row.name) == getattr(filed, row.name) != getattr(settings.Settings(), row.name)


@pytest.mark.parametrize("row", settings.table(), ids=lambda row: row.name)
def test_every_setting_refuses_an_empty_variable(row: settings.Row) -> None:
    """A template that was not filled in must not open a door, such as calls without keys."""
    with pytest.raises((SettingError, FileError), match=row.name.upper() if row.kind.nested else row.name):
        settings.load(None, {row.variable: ""}, {})


@pytest.mark.parametrize("row", settings.table(), ids=lambda row: row.name)
def test_what_is_shown_of_a_setting_can_be_set(row: settings.Row) -> None:
    """The value that `parapet config` prints is a value that the variable takes."""
    secret = {LEGAL[name]: "x" * 32 for name in ("redaction_key_env", "vault_password_env")}
    once = settings.load(None, {**secret, row.variable: LEGAL[row.name]}, {})
    (shown,) = [line for line in settings.in_force(once) if line.name == row.name]
    assert getattr(settings.load(None, {**secret, row.variable: shown.value}, {}), row.name) == getattr(once, row.name)
    assert shown.source == row.variable


def test_every_mistake_in_a_file_is_reported_at_its_place(tmp_path: Path) -> None:
    """One run shows all there is to mend, with what was expected."""
    problems = refused("hots: x\nport: 80000\nreload: 3\nworkers: true\nrecord: off\n".replace("record: off\n", ""), tmp_path)
    assert problems[0].startswith("parapet.yaml:1:1: hots: unknown key 'hots': did you mean 'host'?")
    assert problems[1:] == [
        "parapet.yaml:2:7: port: 80000: expected a port number from 0 to 65535",
        "parapet.yaml:3:9: reload: 3: expected a duration such as 200ms, 2s or 5m",
        "parapet.yaml:4:10: workers: true: expected a whole number",
    ]


def test_an_unquoted_off_is_explained(tmp_path: Path) -> None:
    """YAML 1.1 reads it as false."""
    assert "put it in quotes" in refused("record: off\n", tmp_path)[0]
    assert settings.load(write(tmp_path, 'record: "off"\n'), {}, {}).record == "off"


def test_backends_are_checked_to_the_last_key(tmp_path: Path) -> None:
    """An unknown kind, an unknown key, a bad address, a missing one."""
    text = """\
pools:
  a:
    backends:
      - {kind: opnai}
      - {kind: openai, base_url: "localhost:8000/v1"}
      - {kind: openai, base_url: "http://localhost/v1", api_key: sk-something}
      - {kind: openai}
  b: {backends: []}
"""
    problems = refused(text, tmp_path)
    for place, said in (
        ("4:9: pools.a.backends[0]:", "'echo', 'openai', 'litellm'"),
        ("5:34: pools.a.backends[1].base_url:", "begins with http://"),
        ("6:57: pools.a.backends[2].api_key:", "did you mean 'api_key_env'?"),
        ("7:9: pools.a.backends[3]", "'base_url' is missing"),
        ("8:17: pools.b.backends:", "at least one backend"),
    ):
        assert any(place in problem and said in problem for problem in problems), (place, problems)
    assert len(problems) == 5


@pytest.mark.parametrize(
    ("pool", "said"),
    [
        ("{backends: [{kind: echo, name: a}, {kind: echo, name: a}]}", "'a' is here twice"),
        ("{backends: [{kind: echo, name: echo-2}, {kind: echo}]}", "'echo-2' is here twice"),
        ('{backends: [{kind: echo, name: "a b"}]}', "up to 64 letters"),
        ("{backends: [{kind: echo, weight: 0}]}", "a whole number from 1 up"),
        ("{backends: [{kind: echo}], fallback: [b]}", "names of other pools as the fallback of 'm', not 'b'"),
        ("{backends: [{kind: echo}], fallback: [m]}", "not 'm'"),
        ("{backends: [{kind: echo}], retry_share: 2}", "a number from 0 to 1"),
        ("{backends: [{kind: echo}], cool_down: 0}", "a duration"),
        ("{backends: [{kind: openai, base_url: 'http://h/v1', probe_path: health}]}", "begins with /"),
        ("{backends: [{kind: litellm, model: claude}]}", "with its provider in front"),
        ("{backends: [{kind: litellm, model: a/b, options: {api_key: x}}]}", "no api_key among the options"),
        ("{backends: [{kind: litellm, model: a/b, options_env: {Bad-Name: X}}]}", "names of arguments of LiteLLM"),
        ("{backends: [{kind: litellm, model: a/b, base_url: 'http://me:pw@h'}]}", "without a name and password"),
    ],
)
def test_a_pool_that_cannot_be_meant_is_refused(pool: str, said: str, tmp_path: Path) -> None:
    """With what was expected."""
    [problem] = refused(f"pools: {{m: {pool}}}", tmp_path)
    assert said in problem


def test_the_secrets_of_a_provider_come_from_variables() -> None:
    """Its key and whatever else it needs, and neither they nor options are shown."""
    more = "options: {aws_region_name: s3cr3t}, options_env: {aws_secret_access_key: B}"
    backend = f"{{kind: litellm, model: bedrock/x, api_key_env: A, {more}}}"
    found = settings.load(None, {"PARAPET_POOLS": f"{{m: {{backends: [{backend}]}}}}", "A": "one", "B": "two"}, {})
    assert found.secrets == {"A": "one", "B": "two"}
    assert "s3cr3t" not in str(settings.in_force(found))
    missing = misset({"PARAPET_POOLS": f"{{m: {{backends: [{backend}]}}}}", "A": "one"})
    assert missing.key == "pools.m.backends[0].options_env.aws_secret_access_key"


@pytest.mark.parametrize(
    "text",
    [
        "keys: [{name: a, sha256: s3cr3t}]",
        "keys: [{name: a, key: s3cr3t}]",
        "pools: {a: {backends: [{kind: openai, base_url: 'http://me:s3cr3t@host/v1'}]}}",
        "pools: {a: {backends: [{kind: openai, base_url: 'http://host/v1', headers: {x-key: \"s3cr3t\\n\"}}]}}",
        "pools: {a: {backends: [{kind: openai, base_url: 'http://host/v1', api_key: s3cr3t}]}}",
    ],
)
def test_an_error_shows_nothing_that_may_be_a_secret(text: str, tmp_path: Path) -> None:
    """Neither from a file nor from a variable."""
    assert "s3cr3t" not in "".join(refused(text, tmp_path))
    name, _, value = text.partition(": ")
    with pytest.raises(FileError) as caught:
        settings.load(None, {f"PARAPET_{name.upper()}": value}, {})
    assert "s3cr3t" not in str(caught.value)
    assert f"PARAPET_{name.upper()}:1:" in str(caught.value)


def test_a_bad_variable_names_key_value_source_and_what_was_expected() -> None:
    """So that it can be mended without the docs."""
    error = misset({"PARAPET_PORT": "eighty"})
    assert (error.key, error.value, error.source) == ("port", "eighty", "PARAPET_PORT")
    assert error.expected == "a port number from 0 to 65535"


def test_an_unknown_variable_is_refused_and_its_value_not_shown() -> None:
    """A typing error would otherwise leave a default in force unseen."""
    error = misset({"PARAPET_MAXBODY": "s3cr3t"})
    assert "PARAPET_MAXBODY" in str(error)
    assert "did you mean PARAPET_MAX_BODY?" in str(error)
    assert "s3cr3t" not in str(error)


def test_an_unknown_override_is_refused() -> None:
    """The command line has no other names than the table."""
    assert "did you mean port?" in str(misset({}, prot=1))


def test_variables_that_kubernetes_sets_are_not_ours() -> None:
    """A Service named parapet puts its address into every pod's PARAPET_PORT."""
    links = {
        "PARAPET_SERVICE_HOST": "10.0.0.1",
        "PARAPET_SERVICE_PORT_HTTP": "8000",
        "PARAPET_PORT": "tcp://10.0.0.1:8000",
        "PARAPET_PORT_8000_TCP_ADDR": "10.0.0.1",
        "PARAPET_CONSOLE_PORT": "tcp://10.0.0.2:80",
    }
    assert settings.load(None, links, {}) == settings.Settings()


def test_the_file_may_be_named_by_a_variable(tmp_path: Path) -> None:
    """For containers; `--config` wins."""
    file = write(tmp_path, "port: 9001\n")
    assert settings.load(None, {"PARAPET_CONFIG": str(file)}, {}).port == 9001
    with pytest.raises(FileError, match="cannot be read"):
        settings.load(tmp_path / "none.yaml", {"PARAPET_CONFIG": str(file)}, {})


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    """A file of comments is a configuration."""
    assert settings.load(write(tmp_path, "# nothing yet\n"), {}, {}) == settings.Settings()


def test_paths_in_the_file_are_relative_to_it(tmp_path: Path) -> None:
    """It does not matter where the command is run."""
    found = settings.load(write(tmp_path, "policies: [shipped, mine]\nrecord: out.jsonl\n"), {}, {})
    assert found.policies == (settings.shipped_policies(), tmp_path / "mine")
    assert found.record == str(tmp_path / "out.jsonl")


def test_a_backends_key_comes_from_the_variable_that_is_named() -> None:
    """It is held apart from what is shown, and a name under PARAPET_ is no unknown setting."""
    pools = "{m: {backends: [{kind: openai, base_url: 'http://host/v1', api_key_env: PARAPET_VLLM, headers: {x-key: s3cr3t}}]}}"
    found = settings.load(None, {"PARAPET_POOLS": pools, "PARAPET_VLLM": "s3cr3t\n"}, {})
    assert found.secrets == {"PARAPET_VLLM": "s3cr3t"}
    assert "s3cr3t" not in str(settings.in_force(found))
    assert misset({"PARAPET_POOLS": pools}).key == "pools.m.backends[0].api_key_env"
    assert "s3cr3t" not in str(misset({"PARAPET_POOLS": pools, "PARAPET_VLLM": "s3cr3t\ns3cr3t"}))


def test_a_callers_key_is_kept_as_its_digest_alone(tmp_path: Path) -> None:
    """However it was given."""
    file = write(tmp_path, "keys:\n  - {name: a, key_env: A_KEY, team: payments}\n  - {name: b, sha256: " + "0b" * 32 + "}\n")
    found = settings.load(file, {"A_KEY": "s3cr3t"}, {})
    assert [key.sha256 for key in found.keys] == [hashlib.sha256(b"s3cr3t").hexdigest(), "0b" * 32]
    assert "s3cr3t" not in repr(found)
    assert misset({"PARAPET_KEYS": "[{name: a, key_env: A_KEY}]"}).expected == "the name of an environment variable that is set"


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("[{name: a}]", "one of key_env and sha256"),
        ("[{name: a, key_env: A, sha256: " + "0a" * 32 + "}]", "one of key_env and sha256"),
        ("[{name: a, key_env: A}, {name: a, key_env: B}]", "'a' is here twice"),
        ("[{name: a, key_env: A}, {name: b, key_env: A}]", "a has the same"),
        ("[{name: ' ', key_env: A}]", "a text"),
    ],
)
def test_keys_that_cannot_be_told_apart_are_refused(keys: str, said: str) -> None:
    """A call must belong to one key."""
    with pytest.raises((FileError, SettingError), match=said):
        settings.load(None, {"PARAPET_KEYS": keys, "A": "x", "B": "y"}, {})


@given(st.integers(0, 10**7).map(lambda ms: ms / 1000))
def test_a_duration_that_is_shown_is_read_as_the_same(length: float) -> None:
    """In milliseconds, seconds, minutes or hours."""
    assert settings.seconds(settings.show_seconds(length)) == length


@pytest.mark.parametrize("text", ["", "2", "2 days", "-1s", "1e3s", "nan", "ms", "١s", True, None, 1.5])
def test_what_is_no_duration_is_refused(text: object) -> None:
    """A number without a unit may mean anything."""
    with pytest.raises(ValueError, match="expected a duration"):
        settings.seconds(text)


@pytest.mark.parametrize(
    ("text", "length"),
    [("0", 0.0), (0, 0.0), ("200ms", 0.2), ("1.5s", 1.5), ("5m", 300.0), ("2h", 7200.0), (" 2 s ", 2.0)],
)
def test_durations_are_written_as_people_write_them(text: object, length: float) -> None:
    """With a unit, or 0."""
    assert settings.seconds(text) == length


@pytest.mark.parametrize(
    ("text", "length"), [("32MiB", 2**25), ("32MB", 32 * 10**6), ("7", 7), (7, 7), ("1KiB", 1024), ("9 B", 9)]
)
def test_sizes_are_written_as_people_write_them(text: object, length: int) -> None:
    """MB are a million bytes, MiB are 2 to the 20th."""
    assert settings.size(text) == length


@pytest.mark.parametrize("text", ["", "32 megs", "1.5MB", "-1", -1, True, None])
def test_what_is_no_size_is_refused(text: object) -> None:
    """Rather than guessed."""
    with pytest.raises(ValueError, match="expected a size"):
        settings.size(text)


def test_every_field_is_in_the_table_and_says_what_it_is() -> None:
    """All but the two that loading fills in by itself."""
    fields = {field.name for field in dataclasses.fields(settings.Settings)} - {"sources", "secrets"}
    assert fields == {row.name for row in settings.table() if row.help and row.kind.expected}
    assert fields == LEGAL.keys(), "a setting without an example here"


def test_the_docs_are_those_that_the_table_makes() -> None:
    """`make docs` writes them anew."""
    assert (ROOT / "docs" / "settings.md").read_text() == settings.reference()


def test_the_example_configuration_is_right() -> None:
    """And says nothing that the defaults do not, but for the pace of the embedded backend."""
    found = settings.load(ROOT / "parapet.yaml", {}, {})
    changed = {
        line.name
        for line, other in zip(settings.in_force(found), settings.in_force(settings.Settings()), strict=True)
        if line.value != other.value
    }
    assert changed == {"pools"}
