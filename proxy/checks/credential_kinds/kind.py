"""The row of the table of credentials, and the expressions that its rows have in common."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """One shape of credential.

    `pattern` is read by `re`; the group `secret`, or else the whole match, is what is reported. With `edges`, no letter or
    digit may touch the match. `proof` names a function of `credential_proofs.PROOFS` that may raise or refute the score. `shape`
    makes an example: `{alphabet:count}` stands for so many random characters. `opens` is that of `screen.Expression`.
    """

    category: str
    title: str
    pattern: str
    score: float
    shape: str
    proof: str = ""
    folded: bool = False  # letters match in either case
    edges: bool = True
    opens: str = ""


# How a name is joined to its value: = : := => == -> > is, in code, JSON, YAML, TOML, .env, XML, Markdown, prose; by a comma
# between two strings; by the word "value", as in YAML and JSON lists of variables and in XML.
JOIN = (
    r"""[\\"'`)\]*]{0,3}[ \t]*+(?:(?::[ \t]?(?:str|string|String)[ \t]?)?(?::=|=>|={1,3})|[:：]|>(?![@\s])"""
    r"""|\b(?:is|was|es|ist|est)\b:?|,?\s{0,48}["']?\bvalue["']?[ ]?[:=]|(?<=["']),(?=[ ]?["']))"""
    r"""(?:\*\*)?[ \t]*+(?:\r?\n[ \t]*+)?"""
)
VALUE = r"""(?:[bru]?(?P<quote>\\?["'`]))?(?P<secret>[^\s"'`<>\\]{4,1024})(?P<close>\\?["'`])?"""
SUFFIX = r"(?:[_-]?(?:value|text|string|prod|dev|staging|live|base64|b64|[0-9]{1,2}))?"
# The rest of a variable's name that begins with a vendor's, up to the value.
NEAR = r"""[\w.-]{0,48}(?:key|token|secret|auth|access|pass)[\w.-]{0,48}["'`)\]]{0,2}[ \t]*+(?::=|=>|={1,3}|:|>)[ \t]*+["'`]?"""
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
UUID_SHAPE = "{hex:8}-{hex:4}-{hex:4}-{hex:4}-{hex:12}"


def named(category: str, title: str, names: str, value: str, shape: str, proof: str = "mixed", score: float = 0.8) -> Kind:
    """A row for what has no prefix of its own: a variable's name with the vendor's in it, and the value."""
    pattern = f"(?:{names}){NEAR}(?P<secret>{value})(?![A-Za-z0-9_+/=-])"
    opens = rf"[a-z_-]{{1,20}}{NEAR}[\w+:./|-]*"  # any vendor's name, any value
    return Kind(category, f"{title}, by its name", pattern, score, shape, proof, folded=True, edges=False, opens=opens)
