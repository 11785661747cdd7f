"""`--filter`: the entries of which all terms hold. `tag:cnn name:*resnet* -source:timm:* not 50`

word            the name has it in it, in any case
name:PATTERN    likewise source, tag, license and expected: * and ? stand for anything, case counts
-TERM, not TERM the opposite
"two words"     quotes keep a term together
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

from converter.zoo.manifests.document import did_you_mean
from converter.zoo.records.entry import Entry
from converter.zoo.records.kinds import TRANSFORMERS, ZOOS
from passes.errors import UsageError

FIELDS: dict[str, Callable[[Entry], Sequence[str]]] = {
    "name": lambda entry: (entry.name,),
    "source": lambda entry: (entry.source,),
    "tag": lambda entry: entry.tags,
    "license": lambda entry: (entry.license,),
    "expected": lambda entry: (entry.expected,),
}
EXAMPLE = "For example: 'tag:cnn name:*resnet* -source:timm:*'."

_FIELD = re.compile(r"(?P<field>\w+):(?P<pattern>.*)")

Term = Callable[[Entry], bool]


def select(entries: Sequence[Entry], expression: str) -> list[Entry]:
    """The entries that an expression chooses, in their order; all for an empty one.

    Raises:
        UsageError: the expression cannot be read.
    """
    terms = _terms(expression)
    return [entry for entry in entries if all(term(entry) for term in terms)]


def _terms(expression: str) -> list[Term]:
    try:
        words = shlex.split(expression)
    except ValueError as error:
        raise _unreadable(expression, "a quote is not closed") from error
    terms: list[Term] = []
    negated = False
    for word in words:
        if word == "not":
            negated = not negated
            continue
        text = word.removeprefix("-")
        term = _term(text, expression)
        terms.append(term if negated == (text != word) else _opposite(term))
        negated = False
    if negated:
        raise _unreadable(expression, "nothing follows `not`")
    return terms


def _term(text: str, expression: str) -> Term:
    if not text:
        raise _unreadable(expression, "a term is empty")
    match = _FIELD.fullmatch(text)
    if match is None or match["field"] in ZOOS or text.startswith(TRANSFORMERS):
        return lambda entry: text.casefold() in entry.name.casefold()
    field, pattern = match["field"], match["pattern"]
    if field not in FIELDS:
        raise _unreadable(expression, f"there is no {field!r}", did_you_mean(field, list(FIELDS)))
    if not pattern:
        raise _unreadable(expression, f"nothing follows {field}:")
    values = FIELDS[field]
    return lambda entry: any(fnmatchcase(value, pattern) for value in values(entry))


def _opposite(term: Term) -> Term:
    return lambda entry: not term(entry)


def _unreadable(expression: str, why: str, hint: str = "") -> UsageError:
    return UsageError(f"The filter {expression!r} cannot be read: {why}.", hint=f"{hint} {EXAMPLE}".strip())
