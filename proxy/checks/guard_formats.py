"""How each guard model is asked, and how its answer is read: the published formats, and nothing guessed.

An answer that is not of the format is an error, and never a pass. The words that mark a model's own turns are broken where they
stand in a text, so that a text cannot speak in the model's place. Scores are the probabilities of the first word of the verdict
where the server gives them (`logprobs`), else 1.0.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from proxy.checks import guard_words as words
from proxy.checks.desk import Question
from proxy.checks.guard_words import UNSAFE
from proxy.errors import CheckDeclined

CHAT, PLAIN = "/v1/chat/completions", "/v1/completions"
SPEAKS = frozenset({"assistant", "reasoning"})  # the roles of what a model has said
MARKS = re.compile(
    r"<(?=\|)|<(?=/?s>)|<(?=/?(?:start_of_turn|end_of_turn|score|think|BEGIN |END ))|\[(?=/?INST\])|(?<=\|)>", re.IGNORECASE
)
FAINT = 0.01  # no finding is made of a lower probability
HALF = 0.5  # the score of `Controversial`, where no probability is given, and the least of any bad verdict


@dataclass(frozen=True, slots=True)
class Ask:
    """One request to a model. `about`: the one word of the model's that it is about, for models that judge word by word."""

    path: str
    payload: Mapping[str, Any]
    about: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What the model answered: the text, and for each of its tokens the most likely ones with their probabilities."""

    text: str
    tokens: Sequence[Mapping[str, float]] = ()


@dataclass(frozen=True, slots=True)
class Given:
    """What a rule says of the model, beyond its kind."""

    wanted: frozenset[str]  # categories
    policy: str = ""
    prompt: str = ""
    safe: str = ""
    unsafe: str = ""
    words: Mapping[str, str] = field(default_factory=dict)  # the model's own, each with the category of its findings

    @property
    def about(self) -> Sequence[str]:
        """The model's words whose categories rules are about."""
        return [word for word, category in self.words.items() if category in self.wanted]


Read = Callable[[Told, Question, Ask, Given], Iterable[tuple[str, float]]]  # the model's words, each with a score


@dataclass(frozen=True, slots=True)
class Format:
    """How one kind of model is asked and read."""

    asks: Callable[[Question, Given], Sequence[Ask]]
    read: Read
    defaults: tuple[str, ...] = ()  # the model's words that a rule is about when it names no categories; empty: all
    closed: bool = False  # it has the words of the table and no others


def broken(text: str) -> str:
    """The text with the marks of turns broken: a space makes them plain text."""
    return MARKS.sub(lambda found: f"{found[0]} " if found[0] != ">" else " >", text)


def chat(messages: Sequence[Mapping[str, str]], tokens: int, about: str = "", **more: Any) -> Ask:
    """A request to the chat API, with the probabilities of tokens."""
    payload = {"messages": messages, "max_tokens": tokens, "temperature": 0, "logprobs": True, "top_logprobs": 20, **more}
    return Ask(CHAT, payload, about)


def turns(question: Question) -> list[dict[str, str]]:
    """The conversation up to the text, which is judged; the turns alternate and begin with a user's, as templates want them.

    Where nothing is known of what a model answers, there is an empty turn.
    """
    if question.role not in SPEAKS:
        return [{"role": "user", "content": broken(question.text)}]
    made = [{"role": "user", "content": ""}]
    for role, text in question.before:
        if role != made[-1]["role"]:
            made.append({"role": role, "content": broken(text)})
        else:
            made[-1]["content"] = f"{made[-1]['content']}\n{broken(text)}".lstrip("\n")
    if made[-1]["role"] != "user":  # the answer goes on with a turn of the model's own; what is judged stands alone
        made.append({"role": "user", "content": ""})
    return [*made, {"role": "assistant", "content": broken(question.text)}]


def pair(question: Question) -> tuple[str, str]:
    """What a user has said, and what a model has answered to that; one of them is judged, and the other may be empty."""
    if question.role not in SPEAKS:
        return broken(question.text), ""
    asked = [text for role, text in question.before if role == "user"]
    return broken(asked[-1]) if asked else "", broken(question.text)


def told(body: bytes, path: str) -> Told:
    """A model's answer. Raises CheckDeclined when it is none."""
    try:
        [choice] = orjson.loads(body)["choices"]
        text = choice["message"]["content"] if path == CHAT else choice["text"]
        if not isinstance(text, str):
            raise TypeError
        return Told(text, probabilities(choice.get("logprobs")))
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
        raise CheckDeclined("the guard model's answer is not of its server's API") from None


def probabilities(given: Any) -> list[dict[str, float]]:
    """The likeliest tokens at each place, in either API's shape; nothing where there are none."""
    if not isinstance(given, dict):
        return []
    if isinstance(given.get("content"), list):
        places = [{top["token"]: top["logprob"] for top in place.get("top_logprobs") or [place]} for place in given["content"]]
    else:
        places = [place or {} for place in given.get("top_logprobs") or []]
    return [{token: math.exp(min(0.0, float(log))) for token, log in place.items()} for place in places]


def chance(told: Told, bad: str, good: Sequence[str], *, after: str = "", number: int = 0) -> float | None:
    """How likely the bad word is beside the good ones, where the verdict's first token is; None where nobody says.

    The place is the first one after the words `after` whose tokens begin them; `number`: so many such places are passed over.
    """
    seen = ""
    for place in told.tokens:
        likeliest = max(place, key=lambda token: place[token], default="")
        if after.lower() in seen.lower():
            shares = [0.0, 0.0]
            for token, share in place.items():
                word = token.strip().lower()
                if word and bad.startswith(word):
                    shares[0] += share
                elif word and any(each.startswith(word) for each in good):
                    shares[1] += share
            word = likeliest.strip().lower()
            if word and any(each.startswith(word) for each in (bad, *good)):
                if number == 0:
                    return shares[0] / sum(shares) if sum(shares) else None
                number -= 1
        seen += likeliest
    return None


def verdict(is_bad: bool, score: float | None, names: Iterable[str] = ()) -> Iterable[tuple[str, float]]:
    """The findings of one verdict: the whole, and the words that it names.

    A bad one is worth a half at least: where its tokens seem to say less, they are cut as nobody foresaw.
    """
    score = float(is_bad) if score is None else max(score, HALF if is_bad else 0.0)
    if score >= FAINT:
        yield UNSAFE, score
        yield from ((name, score) for name in names)


def declined(kind: str) -> CheckDeclined:
    return CheckDeclined(f"the verdict of {kind} cannot be read")


def ask_llama(question: Question, _: Given) -> Sequence[Ask]:
    return [chat(turns(question), 32)]


def read_llama(told: Told, _: Question, __: Ask, ___: Given) -> Iterable[tuple[str, float]]:
    found = re.fullmatch(r"\s*(?:safe|(unsafe)(?:\s+((?:S\d{1,2})(?:\s*,\s*S\d{1,2})*))?)\s*", told.text)
    if not found:
        raise declined("Llama Guard")
    names = re.findall(r"S\d+", found[2] or "")
    if any(name not in words.LLAMA_GUARD for name in names):
        raise declined("Llama Guard")
    return verdict(found[1] is not None, chance(told, "unsafe", ("safe",)), names)


def ask_shieldgemma(question: Question, given: Given) -> Sequence[Ask]:
    template = words.SHIELDGEMMA_RESPONSE if question.role in SPEAKS else words.SHIELDGEMMA_PROMPT
    prompt, reply = pair(question)
    asks = []
    for word in given.about:
        name, _, content = words.PRINCIPLES[word].partition("|")
        told = template.format(prompt=prompt, response=reply, name=name, content=content)
        asks.append(Ask(PLAIN, {"prompt": told, **SHORT}, word))
    return asks


SHORT = {"max_tokens": 4, "temperature": 0, "logprobs": 5}


def read_shieldgemma(told: Told, _: Question, ask: Ask, __: Given) -> Iterable[tuple[str, float]]:
    found = re.match(r"\s*(yes|no)\b", told.text, re.IGNORECASE)
    if not found:
        raise declined("ShieldGemma")
    score = chance(told, "yes", ("no",))
    return [(name, share) for name, share in verdict(found[1].lower() == "yes", score, [ask.about]) if name != UNSAFE]


def ask_granite(question: Question, given: Given) -> Sequence[Ask]:
    prompt, reply = pair(question)
    said = [{"role": "user", "content": prompt}, {"role": "assistant", "content": reply}]
    said = said if question.role in SPEAKS else said[:1]
    return [
        chat(said, 32, risk, chat_template_kwargs={"guardian_config": {"criteria_id": risk, "risk_name": risk}, "think": False})
        for risk in given.about
    ]


GRANITE = re.compile(
    r"\s*(?:<score>\s*(yes|no)\s*</score>|(yes|no)\s*(?:<confidence>\s*(?:high|low)\s*</confidence>)?)\s*", re.IGNORECASE
)


def read_granite(told: Told, _: Question, ask: Ask, __: Given) -> Iterable[tuple[str, float]]:
    text = told.text.rpartition("</think>")[2]
    found = GRANITE.fullmatch(text)
    if not found:
        raise declined("Granite Guardian")
    score = chance(told, "yes", ("no",), after="<score>" if found[1] else "")
    made = verdict((found[1] or found[2]).lower() == "yes", score, [ask.about])
    return [(name, share) for name, share in made if name != UNSAFE]


def ask_wildguard(question: Question, _: Given) -> Sequence[Ask]:
    prompt, reply = pair(question)
    told = words.WILDGUARD_TASK.format(prompt=prompt, response=reply)
    return [Ask(PLAIN, {"prompt": told, "max_tokens": 32, "temperature": 0, "logprobs": 5, "add_special_tokens": False})]


def read_wildguard(told: Told, question: Question, _: Ask, __: Given) -> Iterable[tuple[str, float]]:
    label = "Harmful response" if question.role in SPEAKS else "Harmful request"
    found = re.findall(rf"^\s*{label}: (yes|no)\s*$", told.text, re.MULTILINE)
    if len(found) != 1:
        raise declined("WildGuard")
    return verdict(found[0] == "yes", chance(told, "yes", ("no",), after=f"{label}:"))


def ask_nemotron(question: Question, _: Given) -> Sequence[Ask]:
    prompt, reply = pair(question)
    conversation = f"user: {prompt}\n\nresponse: agent: {reply}" if question.role in SPEAKS else f"user: {prompt}"
    return [chat([{"role": "user", "content": words.NEMOTRON_TASK.format(conversation=conversation)}], 128)]


def read_nemotron(told: Told, question: Question, _: Ask, __: Given) -> Iterable[tuple[str, float]]:
    label = "Response Safety" if question.role in SPEAKS else "User Safety"
    try:
        found = orjson.loads(told.text.strip())
        safety, names = found[label].lower(), found.get("Safety Categories", "")
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        raise declined("Nemotron Safety Guard") from None
    if safety not in ("safe", "unsafe") or not isinstance(names, str):
        raise declined("Nemotron Safety Guard")
    listed = [name.strip().lower() for name in names.split(",") if name.strip()] if safety == "unsafe" else []
    return verdict(safety == "unsafe", chance(told, "unsafe", ("safe",), after=f'"{label}":'), listed)


def ask_qwen(question: Question, _: Given) -> Sequence[Ask]:
    return [chat(turns(question), 64)]


def read_qwen(told: Told, _: Question, __: Ask, ___: Given) -> Iterable[tuple[str, float]]:
    found = re.findall(r"^Safety: (Safe|Unsafe|Controversial)\s*$", told.text, re.MULTILINE)
    names = re.findall(r"^Categories: (.+?)\s*$", told.text, re.MULTILINE)
    if len(found) != 1 or len(names) != 1:
        raise declined("Qwen3Guard")
    listed = [name.strip().lower() for name in names[0].split(",")]
    if any(name != "none" and name not in words.QWEN3GUARD for name in listed):
        raise declined("Qwen3Guard")
    score = chance(told, "unsafe", ("safe", "controversial"), after="Safety:")
    if found[0] == "Controversial":
        score = score or HALF
    return verdict(found[0] != "Safe", score, [name for name in listed if name != "none"])


def ask_safeguard(question: Question, given: Given) -> Sequence[Ask]:
    named = given.words if UNSAFE in given.wanted else given.about or given.words
    listed = "\n".join(f"- {name}" for name in sorted(named))
    policy = given.policy or words.SAFEGUARD_POLICY.format(categories=listed)
    system = {"role": "system", "content": policy + words.SAFEGUARD_TASK}
    prompt, reply = pair(question)
    content = words.SAFEGUARD_PAIR.format(prompt=prompt, response=reply) if reply and prompt else prompt or reply
    messages = [system, {"role": "user", "content": content}]
    return [Ask(CHAT, {"messages": messages, "max_tokens": 2048, "temperature": 0})]


def read_safeguard(told: Told, _: Question, __: Ask, ___: Given) -> Iterable[tuple[str, float]]:
    try:
        found = orjson.loads(told.text.strip())
        violation, names = found["violation"], found.get("categories", [])
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        raise declined("gpt-oss-safeguard") from None
    if violation not in (0, 1) or not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise declined("gpt-oss-safeguard")
    return verdict(violation == 1, None, [name.lower() for name in names] if violation else [])


PLACE = re.compile(r"\{(?:role|prompt|text)\}")


def ask_custom(question: Question, given: Given) -> Sequence[Ask]:
    said = "assistant" if question.role in SPEAKS else "user"
    asked = pair(question)[0] if question.role in SPEAKS else ""
    filled = {"{role}": said, "{prompt}": asked, "{text}": broken(question.text)}
    told = PLACE.sub(lambda found: filled[found[0]], given.prompt)
    return [chat([{"role": "user", "content": told}], 256)]


def read_custom(told: Told, _: Question, __: Ask, given: Given) -> Iterable[tuple[str, float]]:
    bad, good = re.search(given.unsafe, told.text), re.search(given.safe, told.text)
    if (bad is None) == (good is None):
        raise declined("the model")
    names = [name for name in (bad.groupdict().get("category"),) if name] if bad else []
    return verdict(bad is not None, None, [part.strip().lower() for name in names for part in name.split(",")])


FORMATS: Mapping[str, Format] = {
    "llama-guard-3": Format(ask_llama, read_llama, closed=True),
    "llama-guard-4": Format(ask_llama, read_llama, closed=True),
    "shieldgemma": Format(ask_shieldgemma, read_shieldgemma, closed=True),
    "granite-guardian": Format(ask_granite, read_granite, ("harm", "jailbreak"), closed=True),
    "wildguard": Format(ask_wildguard, read_wildguard, closed=True),
    "nemotron-safety-guard": Format(ask_nemotron, read_nemotron),
    "qwen3guard": Format(ask_qwen, read_qwen, closed=True),
    "gpt-oss-safeguard": Format(ask_safeguard, read_safeguard),
    "custom": Format(ask_custom, read_custom),
}
