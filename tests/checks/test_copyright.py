"""The check `copyright`: passages, licences, requests and styles as findings, whole and in pieces, and as policies see them."""

from __future__ import annotations

import asyncio
import atexit
import functools
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.checks import CATALOGUE
from proxy.checks import copyright as check
from proxy.checks.licences import expression
from proxy.checks.notices import is_copyleft
from proxy.core import Action, Finding, Segment
from proxy.corpus import Plan, build
from proxy.engine import Guard
from proxy.errors import PolicyError
from proxy.policy import parse
from tests.checks.test_requested import ASKED, OVER_LINES
from tests.corpus.catalogue import FOREIGN, WORKS, catalogue
from tests.examples import examples
from tests.world import engine

ALICE = (
    "Alice was beginning to get very tired of sitting by her sister on the bank, and of having nothing to do: once or twice she "
    "had peeped into the book her sister was reading, but it had no pictures or conversations in it, ‘and what is the use of a "
    "book,’ thought Alice ‘without pictures or conversations?’"
)
ISC = """\
Permission to use, copy, modify, and/or distribute this software for any
purpose with or without fee is hereby granted, provided that the above
copyright notice and this permission notice appear in all copies.

THE SOFTWARE IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES WITH
REGARD TO THIS SOFTWARE INCLUDING ALL IMPLIED WARRANTIES OF MERCHANTABILITY
AND FITNESS. IN NO EVENT SHALL THE AUTHOR BE LIABLE FOR ANY SPECIAL, DIRECT,
INDIRECT, OR CONSEQUENTIAL DAMAGES OR ANY DAMAGES WHATSOEVER RESULTING FROM
LOSS OF USE, DATA OR PROFITS, WHETHER IN AN ACTION OF CONTRACT, NEGLIGENCE OR
OTHER TORTIOUS ACTION, ARISING OUT OF OR IN CONNECTION WITH THE USE OR
PERFORMANCE OF THIS SOFTWARE.
"""
BSD = """\
Redistribution and use in source and binary forms, with or without modification, are permitted provided that the following
conditions are met:
1. Redistributions of source code must retain the above copyright notice, this list of conditions and the following disclaimer.
2. Redistributions in binary form must reproduce the above copyright notice, this list of conditions and the following disclaimer
in the documentation and/or other materials provided with the distribution.
{}THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING,
BUT NOT LIMITED TO, THE IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE DISCLAIMED. IN NO EVENT
SHALL THE COPYRIGHT HOLDER OR CONTRIBUTORS BE LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL
DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS
INTERRUPTION) HOWEVER CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY, OR TORT (INCLUDING NEGLIGENCE
OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.
"""
THIRD = """3. Neither the name of the copyright holder nor the names of its contributors may be used to endorse or promote
products derived from this software without specific prior written permission.
"""
SOURCE = '''\
def reconcile(ledger, entries, *, tolerance=Decimal("0.01")):
    """Match entries of a bank statement with those of a ledger."""
    open_items = {item.key: item for item in ledger.items if not item.settled}
    matched, unmatched = [], []
    for entry in sorted(entries, key=lambda e: (e.date, -e.amount)):
        candidate = open_items.get(entry.reference) or nearest(open_items.values(), entry)
        if candidate is None or abs(candidate.amount - entry.amount) > tolerance:
            unmatched.append(entry)
            continue
        matched.append((candidate, entry))
        open_items.pop(candidate.key, None)
        ledger.settle(candidate, on=entry.date, by=entry.reference)
    for rest in open_items.values():
        ledger.flag(rest, reason="no payment", since=rest.date)
    return Reconciliation(matched=matched, unmatched=unmatched, open=list(open_items.values()))
'''


@functools.cache
def folder() -> Path:
    """A folder with an index of WORKS and of a source file, and another of the works alone."""
    made = Path(tempfile.mkdtemp(prefix="parapet-test-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    catalogue(made)
    row = {"title": "ledger", "path": "books/ledger.py", "licence": "GPL-3.0-or-later", "text": SOURCE}
    (made / "code.jsonl").write_text(json.dumps(row) + "\n")
    build([made / "code.jsonl"], made / "code.pidx", Plan(tokens="lexemes"))
    return made


@functools.cache
def made(*categories: str, **options: Any) -> check.Copyright:
    """The check for some categories, over both indexes."""
    index = [str(folder() / "catalogue-words-full.pidx"), str(folder() / "code.pidx")]
    given = {key: list(value) if isinstance(value, tuple) else value for key, value in options.items()}
    chosen = check.CopyrightOptions.model_validate({"categories": list(categories), "index": index, **given})
    return check.build(chosen, frozenset(categories), "v")


def whole(of: check.Copyright, body: str) -> list[Finding]:
    """The findings in a text that is all there."""
    [report] = of([Segment(body, "assistant")])
    return list(report.findings)


def facts(finding: Finding) -> dict[str, Any]:
    """What a finding says of itself."""
    return dict(finding.detail)


def test_a_finding_names_the_work_and_the_place_in_it() -> None:
    """With the words, the longest run and the shares; the score is 0.5 at the least number of words, and grows."""
    first, last = whole(made("verbatim_text"), " ".join(WORKS["second"][100:200]))
    assert facts(last) == {
        "work": "second",
        "author": "Ada Author",
        "holder": "House",
        "rights": "protected",
        "offset": 100,
        "words": 100,
        "longest_run": 100,
        "share_of_text": 1.0,
        "share_of_work": 0.1111,
    }
    assert (first.score, last.score) == (0.5, 0.8)
    assert (last.check, last.variant, last.family, last.category) == ("copyright", "v", "copyright", "verbatim_text")


@pytest.mark.parametrize("allow", ["second", "ADA *", "protected", "house"])
def test_works_can_be_allowed(allow: str) -> None:
    """By title, author, rights or holder, as a pattern, whatever the capitals."""
    assert whole(made("verbatim_text", allow=(allow,)), " ".join(WORKS["second"][:80])) == []


def test_the_least_number_of_words_is_the_rules() -> None:
    """Twelve words are a passage when a rule says so."""
    body = " ".join(FOREIGN[:30] + WORKS["second"][:14] + FOREIGN[30:60])
    assert whole(made("verbatim_text", min_words=12), body)
    assert not whole(made("verbatim_text"), body)


def test_quotations_pass_unless_a_rule_says_otherwise() -> None:
    """In quotation marks, after the name of the author, up to a bound."""
    body = "Ada Author wrote: “" + " ".join(WORKS["third"][:40]) + "” and so on."
    assert whole(made("verbatim_text"), body) == []
    assert whole(made("verbatim_text", quotation=0), body)
    assert whole(made("verbatim_text", quotation=30), body)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (SOURCE, True),
        (SOURCE.replace("    ", "\t"), True),
        ("Sure:\n```python\n" + "\n".join(SOURCE.splitlines()[2:10]) + "\n```", True),
        ("\n".join(SOURCE.splitlines()[2:5]), False),
        (" ".join(FOREIGN), False),
    ],
)
def test_code_is_compared_on_lexemes(body: str, *, found: bool) -> None:
    """White space does not matter; a finding carries path and licence, and whether that is copyleft."""
    findings = whole(made("code"), body)
    assert bool(findings) is found
    for finding in findings:
        assert facts(finding).items() >= {"path": "books/ledger.py", "licence": "GPL-3.0-or-later", "copyleft": 1}.items()


LICENCES = [
    ("// SPDX-License-Identifier: MPL-2.0", ["MPL-2.0"]),
    ("This program is licensed under the GNU GPL v3.0.", ["GPL-3.0"]),
    ("SPDX-License-Identifier: (MIT OR GPL-2.0-only) AND LGPL-2.1-or-later", ["MIT", "LGPL-2.1-or-later", "GPL-2.0-only"]),
    ("/* Licensed under the Apache License, Version 2.0 (the \"License\");\n * you may not use */", ["Apache-2.0"]),
    (
        "# terms of the GNU General Public License as\n# published by the Free Software\n# Foundation; either version 3 of",
        ["GPL-3.0-or-later"],
    ),
    ("the GNU Lesser General Public License version 2.1 as published by the Free Software Foundation", ["LGPL-2.1-only"]),
    ("See https://creativecommons.org/licenses/by-sa/4.0/ for more", ["CC-BY-SA-4.0"]),
    (ISC, ["ISC"]),
    (BSD.format(""), ["BSD-2-Clause"]),
    (BSD.format(THIRD), ["BSD-3-Clause"]),
    ("\n".join("# " + line for line in ISC.upper().splitlines()), ["ISC"]),
    ("This file is licensed under GPL-3.0-or-later.", ["GPL-3.0-or-later"]),
    ("It is released under the terms of the EUPL-1.2, as all of it", ["EUPL-1.2"]),
    ("distributed under mit or apache-2.0 and so on", ["MIT", "Apache-2.0"]),
    ("licensed under the MIT license, and available under the Apache-2.0 license", ["MIT", "Apache-2.0"]),
    ("published under the MIT license", ["MIT"]),
    ('license = "LGPL-2.1-only WITH Classpath-exception-2.0"', ["LGPL-2.1-only"]),
    ("License: AGPL-3.0-only", ["AGPL-3.0-only"]),
    ("License: GPL", ["GPL"]),
    ("licensed under the LGPL, which is long", ["LGPL"]),
    ("license: gpl version 2 or later", ["GPL-2.0"]),
    ("Distributed under the LGPL (v2.1)", ["LGPL-2.1"]),
    ("license = GPLv3", ["GPL-3.0"]),
    ("licensed under the GPLv3", ["GPL-3.0"]),
    ("license: GPL v3", ["GPL-3.0"]),
    ("released under the GPL v3", ["GPL-3.0"]),
    ("License: GPL 2019 by the authors", ["GPL"]),
    ("// SPDX-License-\u200bIdentifier: M\u00adPL-2.0", ["MPL-2.0"]),
    ("/* SPDX-License-Identifier:\n *   MPL-2.0 */", ["MPL-2.0"]),
    ("license:\r\n\r\nGPL-3.0-only", ["GPL-3.0-only"]),
    ("license:\nlicense: GPL-3.0-only", ["GPL-3.0-only"]),
    ("# SPDX-License-Identifier: MIT OR\n#   Apache-2.0\n# more", ["MIT", "Apache-2.0"]),
    ("This file is released under the terms of the\n# EUPL-1.2, as all of it", ["EUPL-1.2"]),
    ("released under the\nthumb, licensed under\n\n\n\n\nEUPL-1.2", []),
    ("available under fair use, released under Nokia, licensed under these terms; license: see below", []),
    ("Is the GPL compatible with the Apache licence?", []),
    ("a permission to use, copy and modify is what I want", []),
]  # fmt: skip  # rows


@pytest.mark.parametrize(("body", "spdx"), LICENCES)
def test_licences_are_named_by_their_spdx_ids(body: str, spdx: list[str]) -> None:
    """Tags, notices and full texts, in comments and in capitals too; to speak of a licence is none of them."""
    assert [facts(finding)["spdx"] for finding in whole(made("licence"), body)] == spdx


@pytest.mark.parametrize(("body", "spdx"), LICENCES)
def test_licences_that_are_welcome_are_not_reported(body: str, spdx: list[str]) -> None:
    """By id or pattern."""
    assert whole(made("licence", welcome=("*",)), body) == []
    if len(spdx) == 1:
        assert whole(made("licence", welcome=(spdx[0],)), body) == []


def test_one_alternative_that_is_welcome_is_enough() -> None:
    """MIT OR GPL is MIT for those who welcome it; MIT AND GPL is not."""
    of = made("licence", welcome=("MIT",))
    assert whole(of, "SPDX-License-Identifier: MIT OR GPL-3.0-only") == []
    assert [facts(f)["spdx"] for f in whole(of, "SPDX-License-Identifier: MIT AND GPL-3.0-only")] == ["GPL-3.0-only"]
    bracketed = whole(of, "SPDX-License-Identifier: (MIT OR Zlib) AND GPL-3.0-only")
    assert [facts(f)["spdx"] for f in bracketed] == ["GPL-3.0-only", "Zlib"]
    assert whole(of, "SPDX-License-Identifier: (MIT AND MIT) OR GPL-3.0-only") == []


def test_copyleft_is_known_by_id() -> None:
    """Strong and weak."""
    assert [is_copyleft(each) for each in ("GPL-3.0-or-later", "LGPL-2.1", "MPL-2.0", "MIT", "Apache-2.0", "")] == [True] * 3 + [
        False
    ] * 3


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("a castle at dusk in the style of Ada  Painter, 4k", True),
        ("a castle, Ada Painter style", True),
        ("a castle in the st\u200byle of A\u00adda Painter", True),
        ("a castle as painted by ada painter", True),
        ("a castle in the style of the baroque", False),
        ("where was Ada Painter born?", False),
    ],
)
def test_the_style_of_a_listed_artist_is_found(body: str, *, found: bool) -> None:
    """A question about the artist is no request for the style."""
    assert [facts(f)["artist"] for f in whole(made("artist_style", artists=("Ada Painter",)), body)] == ["Ada Painter"] * found


EVERYTHING = ("verbatim_text", "code", "licence", "request_for_work", "artist_style")
parts = st.one_of(
    st.sampled_from([body for body, _ in LICENCES]),
    st.sampled_from([body for body, _ in ASKED]),
    st.sampled_from((*OVER_LINES, "give me the full text of", "first", "Second", "recite third")),
    st.sampled_from((SOURCE, ISC[:300], "in the style of Ada Painter", "give me the full text of first", "\n", "x" * 1100, "-")),
    st.sampled_from(("license:", "released under the", "rec\u200bite Sec\u00adond", "\ufeff", "license: MIT or", "# EUPL-1.2")),
    st.builds(
        lambda work, start, count: " ".join(WORKS[work][start : start + count]),
        st.sampled_from(sorted(WORKS)),
        st.integers(0, 600),
        st.integers(1, 80),
    ),
    st.builds(lambda start, count: " ".join(FOREIGN[start : start + count]), st.integers(0, 2900), st.integers(0, 60)),
    st.text(max_size=5),
)  # fmt: skip  # rows


@settings(max_examples=examples(80))
@given(st.lists(parts, max_size=8).map("\n".join), st.lists(st.sampled_from((1, 3, 10, 100, 2000)), max_size=60))
def test_findings_do_not_depend_on_how_a_text_comes(body: str, sizes: list[int]) -> None:
    """The same findings whole and in pieces, and none that begins before what was settled."""
    of = made(*EVERYTHING, artists=("Ada Painter",), min_words=15)
    watch, place, settled, found = of.watch("assistant"), 0, 0, list[Finding]()
    for size in [*sizes, len(body) + 1]:
        end = place + size > len(body)
        report = watch.push(body[place : place + size], end=end)
        place += size
        assert all(finding.start >= settled for finding in report.findings)
        assert settled <= report.settled <= min(place, len(body))
        settled, found = report.settled, [*found, *report.findings]
        if end:
            break
    assert check.ordered(found) == check.ordered(whole(of, body))
    assert settled == len(body)


def policy(action: str, more: str = "") -> str:
    """A policy over the catalogue."""
    index = folder() / "catalogue-words-full.pidx"
    return f"policy: works\nrules:\n  - {{id: no-works, check: copyright, with: {{index: {index}{more}}}, action: {action}}}\n"


def judged(guard: Guard, body: str) -> tuple[Action, str]:
    """What becomes of a whole completion."""
    verdict = asyncio.run(guard.judge("completion", [Segment(body, "assistant")]))
    return verdict.decision.action, verdict.texts.get(0, body)


def shown(guard: Guard, body: str, size: int) -> tuple[Action, str]:
    """What a client sees of the same completion as a stream."""
    growing = guard.growing()
    channel = growing.channel("assistant", "choices[0]")
    out = ""
    for place in range(0, len(body), size):
        out += channel.push(body[place : place + size])
        if growing.blocked:
            return growing.decision.action, out
    out += channel.push("", end=True)
    return growing.decision.action, out


@pytest.mark.parametrize("size", [1, 6, 50, 10_000])
def test_redaction_puts_one_mark_in_the_place_of_a_passage(size: int) -> None:
    """Whole and streamed."""
    guard = engine(policy("redact")).guard("", "m")
    before, after = " ".join(FOREIGN[:60]), " ".join(FOREIGN[60:200])
    body = f"{before} {' '.join(WORKS['first'][40:240])}. {after}"
    expected = Action.REDACT, f"{before} <verbatim_text>. {after}"
    assert judged(guard, body) == shown(guard, body, size) == expected


@pytest.mark.parametrize("size", [1, 6, 50])
def test_a_stream_that_recites_is_cut_before_any_of_it_is_shown(size: int) -> None:
    """The client sees what came before the passage, and none of the work."""
    guard = engine(policy("block")).guard("", "m")
    before = " ".join(FOREIGN[:60])
    action, out = shown(guard, f"{before} {' '.join(WORKS['first'][40:900])}", size)
    assert action == Action.BLOCK
    assert before.startswith(out.rstrip())
    assert len(out) > len(before) - 200


def test_a_stream_of_ones_own_words_is_shown_as_it_comes() -> None:
    """But for the last four words."""
    growing = engine(policy("block")).guard("", "m").growing()
    channel = growing.channel("assistant", "choices[0]")
    out = "".join(channel.push(word + " ") for word in FOREIGN[:200])
    assert out.split() == FOREIGN[:196]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("index: nowhere.pidx", "nowhere.pidx: cannot be read"),
        ("index: unheard-of", "unheard-of.pidx: cannot be read"),
        ("categories: [verbatim_text]", "expected an index"),
        ("categories: [artist_style]", "expected artists"),
        ("categories: [artist_style], artists: ['Ada Painter', ' ']", "none of them empty"),
        ("categories: [code], index: public-domain", "expected an index of texts for verbatim_text, one of"),
        ("categories: [verbatim], index: public-domain", "did you mean 'verbatim_text'"),
        ("index: public-domain, min_words: 3", "8"),
        ("index: public-domain, min_word: 30", "did you mean 'min_words'"),
        ("index: []", "expected an index"),
    ],
)
def test_options_that_cannot_hold_are_refused_at_their_place(options: str, message: str) -> None:
    """When the policy is loaded, with file, line and column."""
    source = f"policy: works\nrules:\n  - id: a\n    check: copyright\n    with: {{{options}}}\n    action: flag\n"
    with pytest.raises(PolicyError) as caught:
        parse(source, "works.yaml", CATALOGUE)
    assert "works.yaml:5:" in str(caught.value)
    assert message in str(caught.value)


def test_a_path_is_relative_to_the_folder_of_the_policy(tmp_path: Path) -> None:
    """The loader says which that is; a bare name is that of an index that ships."""
    catalogue(tmp_path)
    given = json.dumps({"index": ["catalogue-words-full.pidx", "public-domain"]})
    options = check.CopyrightOptions.model_validate_json(given, context={"folder": tmp_path})
    assert [Path(each).name for each in options.index] == ["catalogue-words-full.pidx", "public-domain.pidx"]
    assert Path(options.index[0]).parent == tmp_path.resolve()


def test_a_damaged_index_is_refused_and_what_was_in_force_stays(tmp_path: Path) -> None:
    """The policy cannot be loaded, and an engine that has an older one goes on with it."""
    path = catalogue(tmp_path)
    source = policy("block").replace(str(folder() / "catalogue-words-full.pidx"), str(path))
    guard = engine(source).guard("", "m")
    with path.open("r+b") as file:
        file.truncate(5000)
    with pytest.raises(PolicyError, match="truncated"):
        parse(source, "works.yaml", CATALOGUE)
    catalogue(tmp_path)
    assert judged(guard, " ".join(FOREIGN[:30]))[0] == Action.ALLOW


def test_the_example_that_ships_is_found() -> None:
    """The index public-domain knows Alice by her first sentence."""
    finding = whole(made("verbatim_text", index=("public-domain",)), ALICE)[-1]
    assert facts(finding).items() >= {"work": "Alice's Adventures in Wonderland", "rights": "public-domain", "words": 57}.items()


def test_a_quotation_may_be_attributed_by_the_name_in_a_title(tmp_path: Path) -> None:
    """As novels do: the life and adventures of somebody are called by that name."""
    works = [("The Life and Adventures of Robinson Crusoe", " ".join(WORKS["first"]))]
    path = catalogue(tmp_path, works=works)
    of = made("verbatim_text", index=(str(path),))
    body = "In the first part of ROBINSON CRUSOE you will find it thus written: “{}” Only yesterday I opened it."
    assert whole(of, body.format(" ".join(WORKS["first"][40:80]))) == []
    assert whole(of, body.format(" ".join(WORKS["first"][40:120])))
    assert whole(of, body.replace("ROBINSON", "Robin").format(" ".join(WORKS["first"][40:80])))


def test_every_option_and_category_is_documented() -> None:
    """On the page for those who protect a catalogue."""
    page = (Path(__file__).parents[2] / "docs" / "copyright.md").read_text()
    assert [name for name in (*check.CopyrightOptions.model_fields, *check.CATEGORIES) if f"`{name}`" not in page] == []


@pytest.mark.parametrize(
    ("tag", "licences"),
    [
        ("patient John Smith SSN 123-45-6789", "unknown"),
        ("MIT - see the file of Acme", "MIT"),
        ("MIT or GPL-2.0-only", "MIT OR GPL-2.0-only"),
        ("GPL-2.0-only WITH Classpath-exception-2.0", "GPL-2.0-only"),
        ("LicenseRef-Acme-Secret", "LicenseRef"),
        ("(MIT OR Apache-2.0) AND GPL-3.0-only", "MIT AND GPL-3.0-only OR Apache-2.0 AND GPL-3.0-only"),
        ("(GPL-2.0-only WITH Classpath-exception-2.0) AND MIT", "GPL-2.0-only AND MIT"),
        ("((MIT))", "MIT"),
    ],
)
def test_a_tag_gives_ids_of_the_spdx_list_and_no_text(tag: str, licences: str) -> None:
    """They go into records; what follows a tag does not."""
    assert expression(tag) == licences


@pytest.mark.parametrize("after", [0, 40, 80, 400])
def test_an_attributed_quotation_passes_whatever_follows(after: int) -> None:
    """Whole and streamed alike: what counts is how long the quotation is."""
    options = check.CopyrightOptions(categories=["verbatim_text"], index=["public-domain"])
    made = check.build(options, frozenset(["verbatim_text"]), "")
    quoted = (
        "Alice was beginning to get very tired of sitting by her sister on the bank, and of having nothing to do: "
        "once or twice she had peeped"
    )
    text = f'As Lewis Carroll wrote: "{quoted}" ' + " ".join(["zeb qux lor ips"] * after)
    watch = made.watch("assistant")
    pieces = [finding for char in text for finding in watch.push(char).findings] + list(watch.push("", end=True).findings)
    assert list(made([Segment(text, "assistant")])[0].findings) == pieces == []


@pytest.mark.parametrize(("words", "flagged"), [(61, False), (150, False), (200, False), (201, True), (400, True)])
def test_a_quotation_may_be_as_long_as_the_rule_says(words: int, *, flagged: bool) -> None:
    """Far longer than what is remembered of a text, whole and streamed."""
    of = made("verbatim_text", quotation=200)
    body = f'As Ada Author wrote: "{" ".join(WORKS["first"][40 : 40 + words])}" {" ".join(FOREIGN[:300])}'
    watch = of.watch("assistant")
    pieces = [finding for char in body for finding in watch.push(char).findings] + list(watch.push("", end=True).findings)
    assert check.ordered(pieces) == check.ordered(whole(of, body))
    assert bool(pieces) == flagged


def test_what_takes_long_is_not_done_on_the_event_loop() -> None:
    """A short text is judged at once, a long one not, sooner where licences are looked for, too."""
    both, alone = made("verbatim_text", "licence"), made("verbatim_text")
    assert [of.quick([Segment("word " * 400, "user")]) is None for of in (both, alone)] == [True, False]
    assert alone.quick([Segment("word " * 400, "user")] * 3) is None
    assert both.quick([Segment("word " * 40, "user")]) is not None
