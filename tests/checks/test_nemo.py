"""The check `nemo`: real configurations of NeMo Guardrails: in Colang 1, in Colang 2, and with a served model."""

from __future__ import annotations

import asyncio
import gc
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.checks import catalogue, combined
from proxy.core import Action, Segment
from proxy.engine import Engine, Reloader
from proxy.errors import CheckError, PolicyError
from proxy.metrics import Metrics
from proxy.outside import Outside
from proxy.policy import parse
from proxy.rails.house import Rails
from proxy.rails.line import Plan, Question
from proxy.settings import OpenAIBackend, Pool, Settings
from tests.checks.stand import Stand, guarded, judged, ran, standing, streamed
from tests.world import MARKER, completion, world

pytest.importorskip("nemoguardrails")
pytestmark = pytest.mark.slow

ACTIONS = """
import re
import time
from nemoguardrails.actions import action

def bad(text):
    if "boom" in text:
        raise RuntimeError(text)
    if "sleep" in text:
        time.sleep(1.5)
    return "zebra" in text

@action(is_system_action=True)
async def is_bad(text: str):
    return bad(text)

@action(is_system_action=True)
async def mask(text: str):
    return re.sub("[0-9]{3,}", "<NUMBER>", text)

@action(name="IsBadAction", is_system_action=True)
async def is_bad_2(text: str):
    return bad(text)

@action(name="MaskAction", is_system_action=True)
async def mask_2(text: str):
    return re.sub("[0-9]{3,}", "<NUMBER>", text)
"""
COLANG_1 = {
    "actions.py": ACTIONS,
    "config.yml": """
rails:
  input: {flows: [check zebras, mask numbers]}
  output: {flows: [check answers]}
  retrieval: {flows: [check chunks, mask chunks]}
""",
    "rails.co": """
define bot refuse zebras
  "Not about zebras."

define flow check zebras
  $bad = execute is_bad(text=$user_message)
  if $bad
    bot refuse zebras
    stop

define flow mask numbers
  $user_message = execute mask(text=$user_message)

define flow check answers
  $bad = execute is_bad(text=$bot_message)
  if $bad
    bot refuse zebras
    stop

define flow check chunks
  $bad = execute is_bad(text=$relevant_chunks)
  if $bad
    bot refuse zebras
    stop

define flow mask chunks
  $relevant_chunks = execute mask(text=$relevant_chunks)
""",
}
COLANG_2 = {
    "actions.py": ACTIONS,
    "config.yml": 'colang_version: "2.x"\n',
    "main.co": """
import core
import guardrails

flow main
  user said something
  bot say "hello"

flow input rails $input_text
  check zebras $input_text
  mask numbers $input_text

flow output rails $output_text
  check answers $output_text

flow check zebras $input_text
  $bad = await IsBadAction(text=$input_text)
  if $bad
    bot say "Not about zebras."
    abort

flow mask numbers $input_text
  global $user_message
  $user_message = await MaskAction(text=$input_text)

flow check answers $output_text
  $bad = await IsBadAction(text=$output_text)
  if $bad
    bot say "Not about zebras."
    abort
""",
}
SELF_CHECK = {
    "config.yml": """
models:
  - {type: main, engine: openai, model: gpt-4o}
rails:
  input: {flows: [self check input]}
  output: {flows: [self check output]}
prompts:
  - task: self_check_input
    content: |
      Does this break the rules? "{{ user_input }}"
      Answer (Yes or No):
  - task: self_check_output
    content: |
      Does this answer break the rules? "{{ bot_response }}"
      Answer (Yes or No):
""",
}


def written(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(exist_ok=True, parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def rules(config: Path, options: str = "", timeout: str = "20s") -> str:
    """A rule that blocks what the rails block, and one that takes over what they changed."""
    both = (("blocked", "block"), ("modified", "redact"))
    return "\n".join(
        f"  - {{id: {category}, check: nemo, with: {{config: '{config}', categories: [{category}]{options}}}, action: {action}, "
        f"timeout: {timeout}, message: No.}}"
        for category, action in both
    )


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    """The server of the model that checks itself."""
    yield from standing()


@pytest.mark.parametrize("files", [COLANG_1, COLANG_2], ids=["colang 1", "colang 2"])
@ran
async def test_rails_pass_change_and_block(tmp_path: Path, files: dict[str, str]) -> None:
    """In both directions; the finding names the rail, and a change is no more than what was changed."""
    with guarded(rules(written(tmp_path / "rails", files))) as guard:
        assert (await judged(guard, "hello")).decision.action == Action.ALLOW
        assert (await judged(guard, "call 555 or 5")).texts == {0: "call <NUMBER> or 5"}
        blocked = await judged(guard, "a zebra, 555")
        assert blocked.decision.action == Action.BLOCK
        assert [(f.category, dict(f.detail)) for f in blocked.decision.findings] == [("blocked", {"rail": "check zebras"})]
        blocked = await judged(guard, "a zebra", "assistant")
        assert [(f.category, dict(f.detail)) for f in blocked.decision.findings] == [("blocked", {"rail": "check answers"})]
        assert (await judged(guard, "call 555", "assistant")).decision.action == Action.ALLOW


@pytest.mark.parametrize("files", [COLANG_1, COLANG_2], ids=["colang 1", "colang 2"])
@ran
async def test_an_action_that_fails_is_an_error_and_never_a_pass(tmp_path: Path, files: dict[str, str]) -> None:
    """Whatever the runtime makes of it; others are judged as before."""
    with guarded(rules(written(tmp_path / "rails", files))) as guard:
        for role in ("user", "assistant"):
            verdict = await judged(guard, f"boom {MARKER}", role)
            assert verdict.decision.action == Action.BLOCK
            assert {failure.kind for failure in verdict.decision.failures} == {"error"}
        assert (await judged(guard, "hello")).decision.action == Action.ALLOW


@ran
async def test_retrieval_rails_judge_documents(tmp_path: Path) -> None:
    """Where they are among the rule's rails; else documents are what goes to a model."""
    with guarded(rules(written(tmp_path / "rails", COLANG_1))) as guard:
        documents = [Segment(text, "document", "text") for text in ("page 1234", "a zebra")]
        assert (await guard.judge("prompt", documents[:1])).texts == {0: "page <NUMBER>"}
        blocked = await guard.judge("prompt", documents[1:])
        assert [dict(f.detail) for f in blocked.decision.findings] == [{"rail": "check chunks"}]
    with guarded(rules(tmp_path / "rails", ", rails: [output]")) as guard:
        assert (await guard.judge("prompt", documents)).decision.action == Action.ALLOW


def self_checking(stand: Stand) -> dict[str, Pool]:
    """A served model that says Yes to what has a zebra in it."""

    def answer(path: str, payload: Any) -> Any:
        assert (path, payload["model"]) == ("/v1/chat/completions", "checker")
        text = payload["messages"][-1]["content"]
        return 500 if "boom" in text else completion("Yes" if "zebra" in text else "No")

    backend = OpenAIBackend(kind="openai", base_url=f"{stand.answers(answer)}/v1", model="checker")
    return {"small": Pool(backends=(backend,)), "m": Settings().pools["echo"]}


@ran
async def test_self_checks_ask_a_model_of_a_pool(stand: Stand, tmp_path: Path) -> None:
    """The pool that the rule names for it; a model that gives no answer is an error."""
    pools = self_checking(stand)
    with guarded(rules(written(tmp_path / "rails", SELF_CHECK), ", pools: {main: small}"), pools=pools) as guard:
        assert (await judged(guard, "hello")).decision.action == Action.ALLOW
        assert (await judged(guard, "hello", "assistant")).decision.action == Action.ALLOW
        for role, rail in (("user", "self check input"), ("assistant", "self check output")):
            [finding] = (await judged(guard, "a zebra", role)).decision.findings
            assert dict(finding.detail) == {"rail": rail}
            verdict = await judged(guard, "boom", role)
            assert (verdict.decision.action, verdict.decision.failures[0].kind) == (Action.BLOCK, "error")


@ran
async def test_a_call_goes_through_the_rails_and_leaves_no_text_behind(
    stand: Stand, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Prompt and completion, in one application; records and metrics are like any check's."""
    policy = f"policy: p\nrules:\n{rules(written(tmp_path / 'rails', SELF_CHECK), ', pools: {main: small}')}\n"
    async with world(tmp_path, policy, pools=self_checking(stand)) as proxy:
        assert (await proxy.chat(f"hello {MARKER}")).status_code == 200
        assert (await proxy.chat(f"a zebra {MARKER}")).status_code == 400
        assert proxy.records[-1]["prompt"]["findings"][0]["detail"] == {"rail": "self check input"}
        told = await proxy.metrics()
        assert 'parapet_consultations_total{check="nemo",result="answered",whom="rails"}' in told
        assert MARKER not in told + proxy.record.read_text() + caplog.text


@ran
async def test_a_stream_is_held_until_the_rails_have_spoken(tmp_path: Path) -> None:
    """A text is judged as one: what is shown is what the whole text would have become."""
    with guarded(rules(written(tmp_path / "rails", COLANG_1))) as guard:
        assert (await streamed(guard, "all is well", 3))[0] == "all is well"
        shown, decision = await streamed(guard, "all is a zebra", 3)
        assert (shown, decision.action) == ("", Action.BLOCK)


@ran
async def test_a_rail_that_blocks_delays_nobody_else(tmp_path: Path) -> None:
    """Its own call runs into its timeout; the event loop goes on meanwhile."""
    with guarded(rules(written(tmp_path / "rails", COLANG_1), timeout="400ms")) as guard:
        await judged(guard, "warm up")
        begun, late = time.monotonic(), 0.0
        slow = asyncio.create_task(judged(guard, "sleep"))
        while not slow.done():
            before = time.monotonic()
            await asyncio.sleep(0.01)
            late = max(late, time.monotonic() - before)
        assert {failure.kind for failure in (await slow).decision.failures} == {"timeout"}
        assert late < 1.0 < 1.5
        assert time.monotonic() - begun < 1.4


def house(folder: Path, files: dict[str, str], restarts: list[int]) -> Rails:
    """A configuration in its process."""
    plan = Plan(written(folder, files), None, {}, ())
    return Rails(plan, Outside(Settings(), dict), lambda: restarts.append(1))


def asked(rails: Rails, text: str, timeout: float = 20.0) -> str:
    """The text as the rails leave it, or who blocked it."""
    verdict = rails.ask(Question(text, "input"), timeout).result(60)
    return verdict.rail or verdict.text


def test_a_process_that_dies_fails_what_is_under_way_and_is_replaced(tmp_path: Path) -> None:
    """The next question is answered by another, which is counted."""
    restarts: list[int] = []
    rails = house(tmp_path / "rails", COLANG_1, restarts)
    assert asked(rails, "call 555") == "call <NUMBER>"
    under_way = rails.ask(Question("sleep", "input"), 20)
    time.sleep(0.3)
    first = rails.house.process
    assert first is not None
    first.child.kill()
    with pytest.raises(CheckError, match="the process of the rails died"):
        under_way.result(20)
    assert asked(rails, "a zebra") == "check zebras"
    assert len(restarts) == 1


def test_a_process_that_cannot_be_started_is_tried_again(tmp_path: Path) -> None:
    """Where no file can be opened, questions fail; when one can, they are answered."""
    rails = house(tmp_path / "rails", COLANG_1, [])
    first = rails.house.process
    assert first is not None
    first.child.kill()
    while rails.house.process is first:
        time.sleep(0.01)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(CheckError, match="is not started again for a while"):
            asked(rails, "a zebra")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    time.sleep(1.1)  # the pause after two deaths
    assert asked(rails, "a zebra") == "check zebras"


def test_a_process_that_hangs_is_replaced(tmp_path: Path) -> None:
    """A question that is long over its time ends with it; others are answered by the next."""
    files = {**COLANG_1, "actions.py": ACTIONS.replace("time.sleep(1.5)", "time.sleep(600)")}
    restarts: list[int] = []
    rails = house(tmp_path / "rails", files, restarts)
    with pytest.raises(CheckError):
        rails.ask(Question("sleep", "input"), 0.2).result(30)
    assert asked(rails, "a zebra") == "check zebras"
    assert len(restarts) == 1


def alive(pid: int) -> bool:
    """Whether a process runs."""
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def gone(pid: int) -> bool:
    """Whether a process ends soon."""
    end = time.monotonic() + 20
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.05)
    return not alive(pid)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells of processes there")
def test_the_process_goes_when_nobody_needs_it_and_when_its_parent_dies(tmp_path: Path) -> None:
    """Even while a rail computes."""
    rails = house(tmp_path / "rails", COLANG_1, [])
    process = rails.house.process
    assert process is not None
    rails.ask(Question("sleep", "input"), 20)
    del rails
    assert gone(process.child.pid)
    code = f"""
import sys, time
from pathlib import Path
from proxy.outside import Outside
from proxy.rails.house import Rails
from proxy.rails.line import Plan, Question
from proxy.settings import Settings
rails = Rails(Plan(Path({str(tmp_path / "rails")!r}), None, {{}}, ()), Outside(Settings(), dict))
rails.ask(Question("sleep", "input"), 20)
print(rails.house.process.child.pid, flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.kill()
    assert gone(pid)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells of processes there")
def test_a_configuration_that_changed_has_one_process_and_the_old_one_goes(tmp_path: Path) -> None:
    """Both rules on it share that; a call that still holds the old plan is judged by the old rails."""
    config = written(tmp_path / "rails", COLANG_1)
    (tmp_path / "p.yaml").write_text(f"policy: p\nrules:\n{rules(config)}\n")
    given = Settings(record="off", pools={"m": Settings().pools["echo"]})
    outside, metrics = Outside(given, dict), Metrics(["m"])
    kinds = catalogue(given, outside=outside)
    made = Reloader(Engine(given, kinds, combined, metrics), (tmp_path / "p.yaml",), kinds, metrics)
    before = processes()
    made.start()
    [first] = processes() - before
    old = made.engine.guard("", "m")
    (config / "actions.py").write_text(ACTIONS.replace("zebra", "lion"))
    asyncio.run(made.look())
    [second] = processes() - before - {first}
    for guard, animal in ((old, "zebra"), (made.engine.guard("", "m"), "lion")):
        assert asyncio.run(judged(guard, f"a {animal}")).decision.action == Action.BLOCK
    del old, guard
    gc.collect()
    assert gone(first)
    assert alive(second)
    made.engine.close()
    outside.stop()


def processes() -> set[int]:
    """Those that this one has begun, and that run."""
    found = Path("/proc/self/task").glob("*/children")
    return {int(pid) for file in found for pid in file.read_text().split() if alive(int(pid))}


@pytest.mark.parametrize(
    ("files", "options", "told"),
    [
        ({"config.yml": "rails: [not, a, mapping]"}, "", "with.config:"),
        ({**COLANG_1, "rails.co": "define flow check zebras\n  $bad = = execute"}, "", "with.config:"),
        ({**COLANG_1, "config.yml": "rails:\n  input: {flows: [check lions]}"}, "", "check lions"),
        ({**COLANG_2, "main.co": "import core\n\nflow main\n  bot say ("}, "", "with.config:"),
        ({**COLANG_1, "actions.py": "import nothing_of_this_name"}, "", "nothing_of_this_name"),
        ({"config.yml": "instructions: []"}, "", "no rails"),
        (
            {**COLANG_1, "config.yml": "rails:\n  input: {flows: [check zebras]}"},
            ", rails: [output]",
            "no output rails: it has input",
        ),
        (SELF_CHECK, "", "there is no pool gpt-4o: say which one with `pools: {main: NAME}`"),
        (SELF_CHECK, ", pools: {main: nobody}", "there is no pool nobody"),
    ],
)
def test_a_configuration_that_is_broken_is_refused_with_its_own_error_and_place(
    tmp_path: Path, files: dict[str, str], options: str, told: str
) -> None:
    """When the policy is read; the policies in force stay."""
    config = written(tmp_path / "rails", files)
    given = Settings()
    text = f"policy: p\nrules:\n  - {{id: r, check: nemo, with: {{config: '{config}'{options}}}, action: block}}\n"
    with pytest.raises(PolicyError) as caught:
        parse(text, "p.yaml", catalogue(given, outside=Outside(given, dict)))
    assert told in str(caught.value)
    assert "p.yaml:3:" in str(caught.value)


def test_a_folder_that_is_not_there_is_refused() -> None:
    """Before anything is imported."""
    given = Settings()
    text = "policy: p\nrules:\n  - {id: r, check: nemo, with: {config: nowhere}, action: block}\n"
    checks = catalogue(given, outside=Outside(given, dict))
    with pytest.raises(PolicyError, match="there is none at"):
        parse(text, "p.yaml", checks)


def test_nothing_is_imported_where_no_rule_needs_it() -> None:
    """Neither the runtime nor a thread."""
    code = """
import sys, threading
from proxy.app import create_app
from proxy.settings import Settings
create_app(Settings(record="off"))
assert "nemoguardrails" not in sys.modules and "litellm" not in sys.modules
assert not [t.name for t in threading.enumerate() if "nemo" in t.name or "outside" in t.name]
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
