"""Every policy in the documents is one: `parapet policy lint` has nothing against it, but that fragments have no tests."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from proxy.cli import main

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^( *)```yaml\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
PAGES = sorted([*ROOT.glob("docs/*.md"), ROOT / "README.md"])
HEAD = "policy: example\ndescription: Of the documents.\nrules:\n"


@dataclass(frozen=True, slots=True)
class Example:
    """A policy in a page, or some rules of one, with the tests that stand below it."""

    page: str
    number: int
    text: str
    tests: str = ""


def examples() -> list[Example]:
    """All of them."""
    made: list[Example] = []
    for page in PAGES:
        for found in BLOCK.finditer(page.read_text(encoding="utf-8")):
            text = textwrap.dedent(found[2])
            read = yaml.safe_load(text)
            if isinstance(read, dict) and "policy" in read:
                made.append(Example(page.name, len(made), text))
            elif isinstance(read, list) and isinstance(read[0], dict) and "check" in read[0]:
                made.append(Example(page.name, len(made), HEAD + textwrap.indent(text, "  ")))
            elif isinstance(read, dict) and list(read) == ["tests"]:
                place = next(i for i, one in enumerate(made) if one.page == page.name and not one.tests)
                made[place] = Example(page.name, place, made[place].text, text)
    return made


EXAMPLES = examples()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the examples name: an index, a model of spaCy's."""
    import spacy

    made = tmp_path_factory.mktemp("docs")
    (made / "works").mkdir()
    (made / "works" / "tale.txt").write_text("It was the best of times, it was the worst of times. " * 5)
    assert main(["index", "build", str(made / "works"), "-o", str(made / "protected.pidx"), "--rights", "protected"]) == 0
    spacy.blank("en").to_disk(made / "en_core_web_lg")
    return made


def settings(page: str) -> str:
    """The pools and services that a page describes beside its policies."""
    made: dict[str, object] = {}
    for found in BLOCK.finditer((ROOT / "docs" / page).read_text(encoding="utf-8") if page != "README.md" else ""):
        read = yaml.safe_load(textwrap.dedent(found[2]))
        if isinstance(read, dict) and "policy" not in read:
            made |= {key: value for key, value in read.items() if key in ("pools", "services")}
    return yaml.safe_dump(made)


def test_there_are_policies_in_the_documents() -> None:
    """The ones that a newcomer copies first among them."""
    assert {"copyright.md", "policies.md", "README.md"} <= {each.page for each in EXAMPLES}
    assert {each.page for each in EXAMPLES if each.tests} == {"copyright.md", "policies.md"}


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: f"{each.page}-{each.number}")
def test_a_policy_in_the_documents_lints_clean(example: Example, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With its tests where it has some; without, nothing is said but that there are none."""
    file = folder / f"example{example.number}.yaml"
    file.write_text(example.text, encoding="utf-8")
    if example.tests:
        file.with_name(f"example{example.number}_test.yaml").write_text(example.tests, encoding="utf-8")
    if "check: nemo" in example.text:
        pytest.skip("a configuration of NeMo Guardrails' is its reader's own; tests/checks/test_nemo.py has some")
    config = folder / "parapet.yaml"
    config.write_text(settings(example.page))
    main(["policy", "lint", "--config", str(config), str(file)])
    said = capsys.readouterr()
    problems = [line for line in said.out.splitlines() if "no problems" not in line]
    if not example.tests:
        problems = [line for line in problems if "is not tested with" not in line]
    assert problems == []
