"""Names are known again however a model writes them, whole and in pieces, and are never taken from others."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.core import Decision, Operator, Principal, Segment
from proxy.engine.rewriting import Rewriting
from proxy.operators import Conversation, Conversations, Keys, Restorer
from proxy.operators.names import written
from proxy.text import Span

KEYS = Keys(["a key of at least thirty-two characters"])
OTHER = Keys(["another key of thirty-two characters"])
NAMED = Operator("pseudonym")
VALUES = {"PERSON": "Jane Doe", "EMAIL_ADDRESS": 'a"b@x.org', "CREDIT_CARD": "4111 1111 1111 1111", "ADDRESS": "1 Road\nTown \\"}


def conversation(id: str = "c1", principal: Principal = Principal("desk")) -> Conversation:
    """A conversation with a name for each value."""
    made = Conversations(KEYS).of(principal, id, "header")
    for category, value in VALUES.items():
        made.name(category, value)
    return made


def name_of(category: str, made: Conversation | None = None) -> str:
    return (made or conversation()).name(category, VALUES[category])


WAYS: dict[str, Callable[[str], str]] = {
    "as it is": lambda name: f"<{name}>",
    "lower": lambda name: f"<{name.lower()}>",
    "upper": lambda name: f"<{name.upper()}>",
    "spaces": lambda name: f"< {name} >",
    "words": lambda name: "<" + name.replace("_", " ").title() + ">",
    "dashes": lambda name: "<" + name.replace("_", "-") + ">",
    "markdown": lambda name: "\\<" + name.replace("_", "\\_") + "\\>",
    "html": lambda name: f"&lt;{name}&gt;",
    "numbers": lambda name: f"&#60;{name}&#62;",
    "json": lambda name: f"\\u003c{name}\\u003E",
    "wide": lambda name: f"＜{name}＞",
    "tag": lambda name: f"<{name}/>",
    "bare": lambda name: name,
    "bare, escaped": lambda name: name.replace("_", "\\_"),
}
AROUND = ("Dear {}, hello", "{}", "**{}**", "({})'s", '"{}"', "a\n{}\nb", "x: {}.", "[{}](mailto:{})", "{}{}", "| {} |")


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("category", VALUES)
def test_a_name_is_known_however_it_is_written(category: str, way: str, around: str) -> None:
    """In any case and any brackets, spaced, escaped, as a tag, or bare."""
    if around == "{}{}" and way.startswith("bare"):
        return  # two bare names that touch are one word, and none of ours
    told = WAYS[way](name_of(category))
    shown = Restorer(conversation()).whole(around.format(*[told] * around.count("{}")), "text")
    assert shown == around.format(*[VALUES[category]] * around.count("{}"))


def test_in_a_link_a_value_is_encoded() -> None:
    """As its brackets were."""
    shown = Restorer(conversation()).whole(f"https://x.test/?q=%3C{name_of('CREDIT_CARD')}%3E&a", "text")
    assert shown == "https://x.test/?q=4111%201111%201111%201111&a"


pieces = st.sampled_from(
    [
        *(WAYS[way](name_of(category)) for way in WAYS for category in ("PERSON", "ADDRESS")),
        *(
            "<",
            ">",
            "\\",
            "&lt;",
            "_",
            " ",
            "person",
            "PERSON_",
            "PERSON_abcdef",
            "<EMAIL ADDRESS 123456>",
            "x",
            "7",
            "é",
            '"',
            "%3C",
        ),
    ]
)


@given(parts=st.lists(pieces, max_size=9), cuts=st.lists(st.integers(0, 300), max_size=9))
def test_a_stream_restores_what_the_whole_restores(parts: list[str], cuts: list[int]) -> None:
    """However it is cut; and what is held back is a beginning of a name and no more."""
    text = "".join(parts)
    made = conversation()
    whole, pieced = Restorer(made), Restorer(made)
    expected = whole.whole(text, "text")
    one, shown, last = pieced.text("text"), "", 0
    for cut in [*sorted(cut for cut in cuts if cut < len(text)), len(text)]:
        shown += one.push(text[last:cut])
        last = cut
        assert len(text[:cut]) - one.offset - one.begun <= 80
    shown += one.push("", end=True)
    assert shown == expected
    assert (pieced.restored, pieced.unknown) == (whole.restored, whole.unknown)


@given(
    parts=st.lists(pieces, max_size=6),
    cuts=st.lists(st.integers(0, 600), max_size=9),
    ascii_only=st.booleans(),
)
def test_in_json_a_value_is_escaped_and_the_rest_stays(parts: list[str], cuts: list[int], ascii_only: bool) -> None:
    """Tool arguments stay JSON, and say what the same text would say outside of it, whole and streamed."""
    text = "".join(parts)
    source = json.dumps({"to": text, "n": [1, text]}, ensure_ascii=ascii_only).replace("<", "\\u003c" if ascii_only else "<")
    made = conversation()
    expected = Restorer(made).whole(text, "text")
    one, shown, last = Restorer(made).text("json"), "", 0
    for cut in [*sorted(cut for cut in cuts if cut < len(source)), len(source)]:
        shown += one.push(source[last:cut])
        last = cut
    shown += one.push("", end=True)
    assert json.loads(shown) == {"to": expected, "n": [1, expected]}


def test_a_quiet_text_is_not_held_back() -> None:
    """Words and numbers come at once."""
    one = Restorer(conversation()).text("text")
    assert [one.push(text) for text in ("Hello ", "there, 12 ", "friends. ", "A_b ", "3 < 4 ")] == [
        "Hello ", "there, 12 ", "friends. ", "A_b ", "3 < 4 ",
    ]  # fmt: skip


def test_names_are_of_caller_conversation_category_and_value() -> None:
    """The same in all turns and processes; another for anything else."""
    same = name_of("PERSON")
    assert same == name_of("PERSON", conversation())
    others = [
        name_of("PERSON", conversation("c2")),
        name_of("PERSON", conversation("c1", Principal("other"))),
        name_of("PERSON", conversation("c1", Principal("desk", "app"))),
        conversation().name("PERSON", "Jane Do"),
        conversation().name("NRP", "Jane Doe"),
        Conversations(Keys(["another key of thirty-two characters"]))
        .of(Principal("desk"), "c1", "header")
        .name("PERSON", "Jane Doe"),
    ]
    assert len({same, *others}) == 7


def test_a_name_that_is_taken_is_lengthened() -> None:
    """So that no two values share one, and each is restored to itself."""
    made = Conversations(KEYS).of(Principal(), "c", "header")
    short = made.name("PERSON", "Jane")
    other = Conversations(KEYS).of(Principal(), "c", "header")
    other.made[short] = other.made[short + "00"] = "somebody else"
    longer = other.name("PERSON", "Jane")
    assert longer.startswith(short)
    assert len(longer) == len(short) + 2
    shown = Restorer(other).whole(f"<{short}> and <{longer}>", "text")
    assert shown == "somebody else and Jane"


@pytest.mark.parametrize("way", WAYS)
def test_what_only_looks_like_a_name_in_a_prompt_gets_a_name_of_its_own(way: str) -> None:
    """So it is never resolved: it comes back as it was typed."""
    made = conversation()
    typed = f"say {WAYS[way](name_of('PERSON'))} please"
    [span] = made.literals(typed, frozenset({"PERSON"}))
    assert typed[span.start : span.end] in typed
    sent = made.word(span, typed[span.start : span.end])
    assert sent.startswith("<TEXT_")
    assert Restorer(made).whole(typed[: span.start] + sent + typed[span.end :], "text") == typed


@given(text=st.text(max_size=60) | st.lists(pieces, max_size=5).map("".join))
@example(text="\\U003CPERSON_000000\\U003EPERSON_000000")
def test_no_text_that_a_prompt_may_hold_is_resolved(text: str) -> None:
    """What is sent to the model in its place is restored to the very text."""
    made = conversation()
    segments = [Segment(text, "user")]
    sent = Rewriting(made, "prompt").prompt(Decision("prompt"), segments, segments, frozenset(VALUES)).get(0, text)
    assert {each.name for each in written(sent, made.stems)} <= {name for name in made.made if name.startswith("TEXT_")}
    assert Restorer(made).whole(sent, "text") == text


def test_a_name_that_a_completion_gives_is_never_restored() -> None:
    """What the caller did not say belongs to somebody else; and its name says nothing about what his own would be."""
    made = conversation()
    shown = made.word_of_answer(Span(0, 4, "<PERSON>", 1.0, "PERSON", NAMED), "John")
    assert Restorer(made).whole(shown, "text") == shown
    assert shown != f"<{made.name('PERSON', 'John')}>"
