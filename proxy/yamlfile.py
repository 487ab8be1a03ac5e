"""Reads YAML that people write by hand: strictly, and with the place of every key and value."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from proxy.errors import FileError, Problem

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MAX_CHARS = 1_000_000
MAX_DEPTH = 64
MAX_NODES = 100_000  # after aliases are expanded: a file of ten lines can stand for a billion values
BOM = b"\xef\xbb\xbf"  # editors on Windows begin UTF-8 with it
UTF16 = (b"\xff\xfe", b"\xfe\xff")
TAG = "tag:yaml.org,2002:"
DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,17})")
FRACTION = re.compile(r"-?[0-9]{1,300}\.[0-9]*([eE][-+][0-9]{1,2})?|\.[0-9]+")
TRUTH = {"y": "true", "yes": "true", "on": "true", "n": "false", "no": "false", "off": "false"}
NUMBERS = (  # what YAML 1.1 makes of a number that is not plainly decimal, and the way out
    (re.compile(r".*:.*"), "YAML reads this as a number to the base of 60: put it in quotes"),
    (re.compile(r"[-+]?0[xX].*"), "YAML reads this as a hexadecimal number: write it as a decimal number, or put it in quotes"),
    (re.compile(r"[-+]?0b.*"), "YAML reads this as a binary number: write it as a decimal number, or put it in quotes"),
    (re.compile(r"[-+]?0[0-9_]+"), "YAML reads this as an octal number: leave out the leading zero, or put it in quotes"),
    (re.compile(r".*(inf|nan)", re.IGNORECASE), "this is not a number that can be used here: put it in quotes if it is text"),
    (re.compile(r".*"), "expected a plain decimal number, such as 12 or 0.5: if it is text, put it in quotes"),
)
# Text to YAML 1.1 and a number to YAML 1.2: an editor and Parapet would not read the same.
AMBIGUOUS = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+|0o[0-7]+")
PLAIN_WORDS = (  # from pydantic's sentences to the house's
    (r"^(Input|String|List|Tuple|Dictionary|Value) should ", "expected it to "),
    (r"^expected it to be (?=an? |')", "expected "),
    (r"a valid dictionary or instance of \w+", "a mapping"),
    (r"a valid dictionary", "a mapping"),
    (r"a valid (array|list|tuple)", "a list"),
    (r"a valid integer", "a whole number"),
    (r"a valid string", "text"),
    (r"a valid ", "a "),
    (r" after validation, not \d+$", ""),
)

Path_ = tuple[str | int, ...]
SHOWN = 60  # characters of a value that a message repeats


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is written; both count from 1."""

    line: int
    column: int


START = Place(1, 1)


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says, as plain data with text for keys, and where it says it: by path, as in `("rules", 0, "id")`."""

    data: Any
    places: Mapping[Path_, Place]
    file: str
    keys: Mapping[Path_, Place] = field(default_factory=dict)
    source: bytes = b""

    def place(self, path: Path_, *, key: bool = False) -> Place:
        """The place of the value, or the key, at `path`; of what holds it where there is none."""
        if key and path in self.keys:
            return self.keys[path]
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, START)

    def problem(self, path: Path_, message: str, *, key: bool = False) -> Problem:
        """A mistake in the value, or the key, at `path`."""
        at = self.place(path, key=key)
        return Problem(self.file, at.line, at.column, dotted(path), message)


def dotted(path: Path_) -> str:
    """A path as people read it: `rules[0].with.entities[1]`."""
    parts = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(parts).removeprefix(".")


def read(source: Path | str, *, file: str = "", empty: Any = None) -> Document:
    """Read a file (a Path) or a text (a str, called `file` in errors).

    A file that says nothing is an error, unless `empty` gives what it stands for. Raises FileError with all problems.
    """
    file = file or (str(source) if isinstance(source, Path) else "<text>")
    raw = _bytes(source, file)
    text = _text(raw, file)
    try:
        problems = _survey(text, file)
        node = None if problems else yaml.compose(text, Loader=LOADER)
    except yaml.YAMLError as error:
        raise FileError([_syntax(error, text, file)]) from None
    if problems:
        raise FileError(problems)
    if node is None:
        if empty is None:
            raise FileError([Problem(file, 1, 1, "", "the file says nothing")])
        return Document(empty, {(): START}, file, source=raw)
    reader = _Reader(file)
    data = reader.value(node, ())
    if reader.problems:
        raise FileError(sorted(reader.problems, key=lambda p: (p.line, p.column)))
    return Document(data, reader.places, file, reader.keys, raw)


def _bytes(source: Path | str, file: str) -> bytes:
    try:
        return source.read_bytes() if isinstance(source, Path) else source.encode()
    except OSError as error:
        raise FileError([Problem(file, 1, 1, "", f"cannot be read: {error.strerror or error}")]) from None
    except UnicodeEncodeError as error:
        raise FileError([_at(file, error.object[: error.start], "half of a surrogate pair is not a character")]) from None


def _text(raw: bytes, file: str) -> str:
    if raw.startswith(UTF16):
        raise FileError([Problem(file, 1, 1, "", "the file is UTF-16: save it as UTF-8")])
    raw = raw.removeprefix(BOM)
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode()
        raise FileError([_at(file, before, f"byte 0x{raw[error.start]:02x} is not UTF-8: save the file as UTF-8")]) from None
    if len(text) > MAX_CHARS:
        raise FileError([Problem(file, 1, 1, "", f"the file has {len(text)} characters: expected at most {MAX_CHARS}")])
    return text


def _at(file: str, before: str, message: str) -> Problem:
    """A mistake right after the text `before`."""
    return Problem(file, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1, "", message)


def _syntax(error: yaml.YAMLError, text: str, file: str) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:  # the reader below the parser met a character that YAML does not allow
        found = re.search(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]", text)
        return _at(file, text[: found.start()] if found else "", "a control character cannot be in YAML")
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    message = ", ".join(part for part in (getattr(error, "context", None), getattr(error, "problem", None)) if part)
    if "\t" in line[: len(line) - len(line.lstrip())]:
        message = "a tab cannot be used to indent: use spaces"
    return Problem(file, mark.line + 1, mark.column + 1, "", message or "not YAML")


def _survey(text: str, file: str) -> list[Problem]:
    """What must be known before the nodes are built, which recurses: depth, tags, a second document."""
    problems: list[Problem] = []
    depth = documents = 0
    for event in yaml.parse(text, Loader=LOADER):
        mark: Any = event.start_mark
        line, column = mark.line + 1, mark.column + 1
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                return [*problems, Problem(file, line, column, "", f"nested deeper than {MAX_DEPTH} levels")]
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                return [*problems, Problem(file, line, column, "", "a second document begins here: expected one in a file")]
        if tag := getattr(event, "tag", None):
            shown = tag.replace(TAG, "!!")
            problems.append(Problem(file, line, column, "", f"the tag {shown} is not allowed: put text in quotes"))
    return problems


@dataclass(slots=True)
class _Reader:
    """Builds plain data from nodes and notes where each key and value stands."""

    file: str
    places: dict[Path_, Place] = field(default_factory=dict)
    keys: dict[Path_, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    open: set[int] = field(default_factory=set)

    def value(self, node: yaml.Node, path: Path_) -> Any:
        self.places[path] = _place(node)
        if len(self.places) > MAX_NODES:
            self.refuse(node, path, f"more than {MAX_NODES} values once its aliases are expanded")
            raise FileError(self.problems)
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node, path)
        if id(node) in self.open or len(path) > MAX_DEPTH:
            self.refuse(node, path, "an alias stands inside what it stands for")
            return None
        self.open.add(id(node))
        data = self.mapping(node, path) if isinstance(node, yaml.MappingNode) else self.sequence(node, path)
        self.open.remove(id(node))
        return data

    def sequence(self, node: yaml.Node, path: Path_) -> list[Any]:
        return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]

    def mapping(self, node: yaml.Node, path: Path_) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self.key(key_node, path)
            if key is None:
                continue
            at = (*path, key)
            if key in data:
                first = self.keys[at]
                self.refuse(key_node, at, f"the key {key!r} is here twice: first at line {first.line}, column {first.column}")
                continue
            self.keys[at] = _place(key_node)
            data[key] = self.value(value_node, at)
        return data

    def key(self, node: yaml.Node, path: Path_) -> str | None:
        if not isinstance(node, yaml.ScalarNode):
            self.refuse(node, path, "expected text as a key")
            return None
        text, tag = str(node.value), node.tag.removeprefix(TAG)
        if node.style or tag == "timestamp":
            return text
        if tag == "merge":
            self.refuse(node, path, "merge keys (<<) are not read: write the keys out")
        elif (told := TRUTH.get(text.lower())) or tag == "bool":
            told = told or text.lower()
            self.refuse(node, path, f"YAML reads the key {text} as {told}: choose another key, or put it in quotes")
        elif tag in ("int", "float", "null"):
            self.refuse(node, path, f"expected text as a key, not {text or 'nothing'}: put it in quotes")
        else:
            return text
        return None

    def scalar(self, node: yaml.ScalarNode, path: Path_) -> Any:
        text, tag = str(node.value), node.tag.removeprefix(TAG)
        if node.style:
            return text
        if told := TRUTH.get(text.lower()):
            self.refuse(node, path, f"{text} is read as {told} by YAML: write true or false, or put it in quotes")
        elif tag == "bool":
            return text.lower() == "true"
        elif tag == "null":
            return None
        elif tag == "int" and DECIMAL.fullmatch(text):
            return int(text)
        elif tag == "float" and FRACTION.fullmatch(text):
            return float(text)
        elif tag in ("int", "float"):
            self.refuse(node, path, f"{text[:40]}: " + next(advice for shape, advice in NUMBERS if shape.fullmatch(text)))
        elif AMBIGUOUS.fullmatch(text):
            self.refuse(node, path, f"{text[:40]}: a number to some readers, text to others: write it out, or put it in quotes")
        return text

    def refuse(self, node: yaml.Node, path: Path_, message: str) -> None:
        at = _place(node)
        self.problems.append(Problem(self.file, at.line, at.column, dotted(path), message))


def _place(node: yaml.Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)


def problems(document: Document, error: ValidationError, model: type[BaseModel], within: Path_ = ()) -> list[Problem]:
    """What pydantic found wrong, at its place in the document; `model` is what the data at `within` was to be.

    Values are shown, cut short; the value of an unknown key is not, for it may be a password that does not belong there.
    """
    found: dict[Problem, None] = {}  # the branches of a union complain about the same thing more than once
    for detail in error.errors(include_url=False):
        loc = detail["loc"]
        path = _inside(document, within, loc)
        if detail["type"] == "extra_forbidden":
            found[document.problem(path, unknown("key", loc[-1], known_keys(model, loc[:-1])), key=True)] = None
        elif detail["type"] == "missing":
            found[document.problem(path, f"the key {loc[-1]!r} is missing")] = None
        else:
            found[document.problem(path, _expected(dict(detail)))] = None
    return sorted(found, key=lambda p: (p.line, p.column))


def unknown(what: str, name: object, known: Iterable[str]) -> str:
    """What to say of a name that is not among those known: what it may have been meant to be, and what there is."""
    names = sorted(known)
    close = difflib.get_close_matches(str(name).lower(), names, 1) or difflib.get_close_matches(str(name).upper(), names, 1)
    meant = f": did you mean {close[0]!r}?" if close else ""
    return f"unknown {what} {shown(name)}{meant}" + (f" (known: {', '.join(names)})" if names else "")


def shown(value: object) -> str:
    """A value as a message repeats it."""
    if isinstance(value, (list, dict)):
        return f"a {'list' if isinstance(value, list) else 'mapping'} of {len(value)}"
    text = {None: "nothing", True: "true", False: "false"}.get(value) if value is None or isinstance(value, bool) else repr(value)
    return text if text is not None and len(text) <= SHOWN else f"{repr(value)[:SHOWN]}…"


def known_keys(model: type[BaseModel], loc: Path_) -> list[str]:
    """The keys that a mapping at `loc` inside `model` may have, as the file writes them."""
    models = [model]
    for step in loc:
        fields = [f for m in models for name, f in m.model_fields.items() if step in (name, f.alias)]
        if fields:  # a list's index, a mapping's key and a union's tag do not leave the models at hand
            models = [m for f in fields for m in _models(f.annotation)]
    return sorted({f.alias or name for m in models for name, f in m.model_fields.items()})


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def _inside(document: Document, within: Path_, loc: Path_) -> Path_:
    """The path that pydantic's `loc` has in the file: without the names of validators and of union members."""
    path = within
    for step in loc:
        if (*path, step) in document.places:
            path = (*path, step)
    return path


def _expected(detail: Mapping[str, Any]) -> str:
    message, value = str(detail["msg"]), detail["input"]
    if detail["type"] == "value_error":
        message = message.removeprefix("Value error, ")
    if detail["type"] == "literal_error":
        choices = re.findall(r"'([^']*)'", str(detail["ctx"]["expected"]))
        close = difflib.get_close_matches(str(value), choices, 1)
        message += f": did you mean {close[0]!r}?" if close else ""
    for pattern, plain in PLAIN_WORDS:
        message = re.sub(pattern, plain, message)
    return f"{shown(value)}: {message[:1].lower()}{message[1:]}"
