"""Checks of one's own: the example package of the docs, installed, and packages that cannot be used."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
import yaml

from proxy.checks import catalogue
from proxy.checks.desk import Question
from proxy.checks.plugged import asking
from proxy.core import Action
from proxy.errors import PolicyError
from proxy.plug import Plug
from proxy.policy import parse
from tests.checks.stand import guarded, judged, ran, streamed
from tests.world import MARKER, world

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "codenames"
RULE = "  - {id: r, check: %s, with: {%s}, action: %s, timeout: 5s}"
PROJECTS = "projects: [Blue Heron, Kestrel], release: [Kestrel]"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The example, installed by pip into a folder of its own, as another environment would see it."""
    folder = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    told = subprocess.run([*pip, "--target", folder, EXAMPLE], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


def package(folder: Path, code: str, name: str = "mine", value: str = "mine_code:PLUG") -> None:
    """A package with one entry point, as pip would have left it."""
    (folder / "mine_code.py").write_text(code)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[parapet.checks]\n{name} = {value}\n")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    """A folder from which packages are imported."""
    sys.path.insert(0, str(tmp_path))
    yield tmp_path
    sys.path.remove(str(tmp_path))
    sys.modules.pop("mine_code", None)


@pytest.mark.slow
def test_the_example_passes_its_own_tests(installed: Path) -> None:
    """`parapet policy test` in an environment that has it; without it, the policy is refused with its place."""
    command = [sys.executable, "-m", "proxy.cli", "policy", "test", str(EXAMPLE / "policy.yaml")]
    root = str(EXAMPLE.parents[2])
    told = subprocess.run(command, capture_output=True, text=True, check=False, env={"PYTHONPATH": f"{root}:{installed}"})
    assert told.stdout.splitlines()[-1] == "2 passed, 0 failed", told.stdout + told.stderr
    told = subprocess.run(command, capture_output=True, text=True, check=False, env={"PYTHONPATH": root})
    assert told.returncode != 0
    assert "policy.yaml:4:12: rules[0].check: unknown check 'codenames'" in told.stdout + told.stderr


@pytest.mark.slow
@ran
async def test_its_findings_are_in_policies_like_any_others(installed: Path, tmp_path: Path) -> None:
    """Categories, redaction with its own words, streams, records and metrics."""
    with guarded(RULE % ("codenames", PROJECTS, "redact")) as guard:
        verdict = await judged(guard, "BLUE-HERON and Kestrel")
        assert verdict.texts == {0: "project 1 and <released>"}
        first = verdict.decision.findings[0]
        assert (first.check, first.family, first.category, first.score) == ("codenames", "privacy", "secret", 0.8)
        assert dict(first.detail) == {"by": "user"}
        text = "the blue heron flies " * 20
        whole = await judged(guard, text, "assistant")
        assert (await streamed(guard, text, 3))[0] == whole.texts[0]
    policy = f"policy: p\nrules:\n{RULE % ('codenames', PROJECTS + ', categories: [secret]', 'block')}\n"
    async with world(tmp_path, policy) as proxy:
        assert (await proxy.chat(f"Blue Heron {MARKER}")).status_code == 400
        assert (await proxy.chat("Kestrel")).status_code == 200
        told = await proxy.metrics()
        assert 'parapet_findings_total{category="secret",check="codenames",direction="prompt",family="privacy"} 1.0' in told
        assert 'parapet_consultations_total{check="codenames",result="answered",whom="codenames"}' in told
        assert MARKER not in told + proxy.record.read_text()


@pytest.mark.slow
def test_its_options_are_its_own_and_mistakes_in_them_have_their_place(installed: Path) -> None:
    """Strictly read, like those of any check."""
    for options, told in (
        ("", "'projects' is missing"),
        ("projects: [a], colour: red", "unknown key 'colour'"),
        ("projects: [a], categories: [colour]", "categories[0]"),
    ):
        with pytest.raises(PolicyError) as caught:
            parse(f"policy: p\nrules:\n{RULE % ('codenames', options, 'flag')}\n", "p.yaml", catalogue())
        assert told in str(caught.value)
        assert "p.yaml:3:" in str(caught.value)


@pytest.mark.slow
def test_the_schema_for_editors_knows_it_and_leaves_out_what_cannot_be_used(installed: Path, tmp_path: Path) -> None:
    """`parapet policy schema`: its name, its options and its categories, where it is installed."""
    package(tmp_path, "PLUG = 1", name="broken")
    command = [sys.executable, "-m", "proxy.cli", "policy", "schema"]
    paths = f"{EXAMPLE.parents[2]}:{installed}:{tmp_path}"
    told = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONPATH": paths})
    validator = jsonschema.Draft202012Validator(json.loads(told.stdout))
    head = "policy: p\nrules:\n"
    for rule, good in (
        (RULE % ("codenames", PROJECTS, "redact"), True),
        (RULE % ("codenames", PROJECTS + ", categories: [secret]", "redact"), True),
        (RULE % ("codenames", "release: [Kestrel]", "redact"), False),
        (RULE % ("codenames", PROJECTS + ", colour: red", "redact"), False),
        (RULE % ("codenames", PROJECTS + ", categories: [colour]", "redact"), False),
        (RULE % ("broken", "", "redact"), False),
        (RULE % ("pii", "", "redact"), True),
    ):
        assert validator.is_valid(yaml.safe_load(f"{head}{rule}\n")) == good, rule
    assert "left out: the check broken of mine_code:PLUG cannot be used: expected a proxy.plug.Plug" in told.stderr


HEAD = "from proxy.plug import Hit, Options, Plug\n"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import nothing_of_this_name", "cannot be imported: ModuleNotFoundError"),
        ("PLUG = 1", "expected a proxy.plug.Plug, not a int"),
        (HEAD + "PLUG = Plug((), lambda *_: None)", "expected categories"),
        (HEAD + "PLUG = Plug(('no spaces',), lambda *_: None)", "expected categories"),
        (
            HEAD + "class O(Options):\n    window: int = 3\nPLUG = Plug(('a',), lambda *_: None, options=O)",
            "another name for its option",
        ),
        (HEAD + "PLUG = Plug(('a',), lambda *_: None, family='zoo')", "expected a family"),
    ],
)
def test_a_package_that_cannot_be_used_refuses_the_policy_with_its_place(site: Path, code: str, told: str) -> None:
    """And says what is wrong with it."""
    package(site, code)
    with pytest.raises(PolicyError) as caught:
        parse(f"policy: p\nrules:\n{RULE % ('mine', '', 'flag')}\n", "p.yaml", catalogue())
    assert told in str(caught.value)
    assert "p.yaml:3:" in str(caught.value)


@pytest.mark.parametrize(
    "judge",
    [
        "raise RuntimeError(text)",
        "return [Hit('other', 0, 1)]",
        "return [Hit('a', 0, 99)]",
        "return [Hit('a', 0, 1, float('nan'))]",
        "return [('a', 0, 1)]",
        "return [Hit('a', 0.0, 1.0)]",
        "return [Hit('a', 0, 1, replacement=b'x')]",
        "return None",
        "return (Hit('a', 0, 1) for _ in iter(int, 1))",
    ],
)
@ran
async def test_what_it_raises_and_what_are_no_hits_lead_to_on_error(site: Path, judge: str) -> None:
    """Never to a pass; and a text that it fails on costs others nothing."""
    body = f"    if text == 'fine':\n        return []\n    {judge}\n"
    package(site, f"{HEAD}def judge(text, role):\n{body}PLUG = Plug(('a',), lambda *_: judge)")
    with guarded(RULE % ("mine", "", "flag")) as guard:
        for number in range(6):
            verdict = await judged(guard, f"bad {number}")
            assert (verdict.decision.action, verdict.decision.failures[0].kind) == (Action.BLOCK, "error")
        assert (await judged(guard, "fine")).decision.action == Action.ALLOW


@ran
async def test_what_it_said_is_remembered_in_its_own_cache_alone(site: Path) -> None:
    """Without that it is asked each time: nobody knows whether it would say the same again."""
    judge = (
        "seen = []\ndef judge(text, role):\n    seen.append(text)\n    return [Hit('a', 0, 1)] if seen.count(text) > 1 else []\n"
    )
    package(site, f"{HEAD}{judge}PLUG = Plug(('a',), lambda *_: judge)")
    with guarded(RULE % ("mine", "cache: 0", "flag")) as guard:
        assert [(await judged(guard, "fine")).decision.action for _ in range(2)] == [Action.ALLOW, Action.FLAG]
    with guarded(RULE % ("mine", "", "flag")) as guard:
        assert [(await judged(guard, "other")).decision.action for _ in range(2)] == [Action.ALLOW, Action.ALLOW]


@ran
async def test_one_that_hangs_runs_into_the_rules_timeout(site: Path) -> None:
    """Its thread is lost until it comes back; calls are not."""
    package(
        site,
        HEAD + "import time\ndef judge(text, role):\n    time.sleep(1)\n    return []\nPLUG = Plug(('a',), lambda *_: judge)",
    )
    with guarded((RULE % ("mine", "", "flag")).replace("5s", "100ms")) as guard:
        verdicts = [await judged(guard, text) for text in ("one", "two")]
        assert [verdict.decision.failures[0].kind for verdict in verdicts] == ["timeout", "timeout"]


HANGS = """
import time
from proxy.checks.desk import Desk, Limits, Question, Silent
from proxy.checks.plugged import asking
from proxy.plug import Plug
consult = asking("mine", Plug(("a",), lambda *_: None), lambda *_: time.sleep(600))
Desk("mine", "mine", consult, Limits(), Silent()).ask([Question("x", "user")])
time.sleep(0.1)
"""


@pytest.mark.slow
def test_a_process_that_ends_does_not_wait_for_one_that_hangs() -> None:
    """Else a server that is told to stop would stay."""
    subprocess.run([sys.executable, "-c", HANGS], check=True, timeout=60)


def test_its_threads_go_with_the_last_who_asks() -> None:
    """After a reload, nothing of what is no longer in force is left."""

    def threads() -> list[str]:
        return [each.name for each in threading.enumerate() if each.name.startswith("parapet-passing")]

    consult = asking("passing", Plug(("a",), lambda *_: lambda *_: [], threads=2), lambda *_: [])
    assert consult([Question("x", "user")], 1.0).result(10) == [()]
    assert len(threads()) == 2
    del consult
    gc.collect()
    end = time.monotonic() + 10
    while threads() and time.monotonic() < end:
        time.sleep(0.01)
    assert not threads()


def test_one_that_cannot_be_made_refuses_the_policy(site: Path) -> None:
    """With what it raised."""
    package(site, HEAD + "def build(*_):\n    raise OSError('no such list')\nPLUG = Plug(('a',), build)")
    with pytest.raises(Exception, match="could not be made: OSError: no such list"), guarded(RULE % ("mine", "", "flag")):
        pass


def test_two_packages_with_one_name_are_refused(site: Path) -> None:
    """Nobody can say which is meant."""
    package(site, HEAD + "PLUG = Plug(('a',), lambda *_: None)")
    (site / "other-1.0.dist-info").mkdir()
    (site / "other-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (site / "other-1.0.dist-info" / "entry_points.txt").write_text("[parapet.checks]\nmine = other_code:PLUG\n")
    with pytest.raises(PolicyError, match="several packages bring a check mine"):
        parse(f"policy: p\nrules:\n{RULE % ('mine', '', 'flag')}\n", "p.yaml", catalogue())
