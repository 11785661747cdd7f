"""What a `[[model]]` may hold: its keys, their types, and what they are checked for before anything is built."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from converter.input_spec import parse_inputs
from converter.options import CHOICES
from converter.zoo.manifests.document import Document, did_you_mean
from converter.zoo.manifests.toml_lines import Place
from converter.zoo.records.kinds import Kind, kind_of
from converter.zoo.records.result import STATUSES
from passes.errors import UsageError


@dataclass(frozen=True)
class Wanted:
    """What a value must be, and the words for it."""

    accepts: Callable[[Any], bool]
    words: str


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value.strip() != "" and value.isprintable()


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(_is_text(item) for item in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def _is_tolerance(value: Any) -> bool:
    if isinstance(value, dict):
        return set(value) == {"rtol", "atol"} and all(map(_is_number, value.values()))
    return _is_number(value)


def _one_of(option: str) -> Wanted:
    choices = CHOICES[option]
    return Wanted(lambda value: value in choices, f"one of {', '.join(choices)}")


TEXT = Wanted(_is_text, "text, of one line and not empty")
TRUTH = Wanted(lambda value: isinstance(value, bool), "true or false")

KEYS = {
    "name": TEXT,
    "source": TEXT,
    "checkpoint": TEXT,
    "inputs": Wanted(_is_texts, 'a list of specifications, such as ["x=float32[batch,3,224,224]"]'),
    "random_weights": TRUTH,
    "options": Wanted(lambda value: isinstance(value, dict), 'a table, such as { layout = "source" }'),
    "tolerance": Wanted(_is_tolerance, "a number, or { rtol = 1e-4, atol = 1e-5 }"),
    "tags": Wanted(_is_texts, 'a list of words, such as ["cnn"]'),
    "license": TEXT,
    "expected": TEXT,
    "exclude": Wanted(_is_texts, 'a list of patterns, such as ["timm:*_in22k"]'),
}

OPTIONS = {
    "layout": _one_of("layout"),
    "structure": _one_of("structure"),
    "fold_batchnorm": TRUTH,
    "trust": TRUTH,
    "max_bytes": Wanted(lambda value: type(value) is int and value > 0, "a number of bytes"),
}
"""Those of `converter.convert` that say what is made, not how it is run."""

ATOL_OF_RTOL = 0.1
"""A tolerance that is one number is rtol; atol is this part of it, as in the tolerances of every dtype."""


def check_table(document: Document, place: Place, table: Mapping[str, Any], kinds: Mapping[str, Wanted]) -> None:
    """Every key is known, and every value is of its kind.

    Raises:
        UsageError: with file and line.
    """
    for key, value in table.items():
        if key not in kinds:
            raise document.error((*place, key), f"Unknown key {key!r}.", did_you_mean(key, list(kinds)))
        if not kinds[key].accepts(value):
            raise document.error((*place, key), f"{key} must be {kinds[key].words}. Received: {_shown(value)}.")


def check_model(document: Document, place: Place, table: Any) -> dict[str, Any]:
    """The values of one `[[model]]`, checked, under the names that `Entry` has for them; `exclude` comes besides.

    Raises:
        UsageError: with file and line.
    """
    if not isinstance(table, dict):
        raise document.error(place, f"A model must be a table. Received: {_shown(table)}.")
    check_table(document, place, table, KEYS)
    if "source" not in table:
        raise document.error(place, "This model has no source.", hint='Write source = "torchvision:resnet18".')
    check_table(document, (*place, "options"), table.get("options", {}), OPTIONS)
    expected = table.get("expected", "verified")
    if expected not in STATUSES:
        hint = did_you_mean(expected, list(STATUSES))
        raise document.error((*place, "expected"), f"There is no status {expected!r}.", hint)
    _check_inputs(document, (*place, "inputs"), table.get("inputs", []))
    _check_weights(document, place, table)
    values = dict(table)
    if "tolerance" in table and not isinstance(table["tolerance"], dict):
        values["tolerance"] = {"rtol": table["tolerance"], "atol": table["tolerance"] * ATOL_OF_RTOL}
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


def _check_inputs(document: Document, place: Place, inputs: list[str]) -> None:
    for index in range(len(inputs)):
        try:
            parse_inputs(inputs[: index + 1])
        except UsageError as error:
            raise document.error((*place, index), error.message, error.hint) from error


def _check_weights(document: Document, place: Place, table: Mapping[str, Any]) -> None:
    """What `converter.sources.load` would refuse, before it is started."""
    source, has_checkpoint, random = table["source"], "checkpoint" in table, table.get("random_weights", False)
    if random and has_checkpoint:
        message, hint = "A checkpoint and random weights exclude each other.", "Leave one of them out."
        raise document.error((*place, "random_weights"), message, hint)
    kind = kind_of(source)
    if kind is Kind.NAMED and not (random or has_checkpoint):
        message, hint = (
            f"{source} needs weights; none are downloaded.",
            "Give it random_weights = true, or a checkpoint.",
        )
        raise document.error((*place, "source"), message, hint)
    if kind in (Kind.FILE, Kind.FOLDER) and (random or has_checkpoint):
        key = "checkpoint" if has_checkpoint else "random_weights"
        raise document.error((*place, key), f"{source} has its own weights.", f"Leave {key} out.")


def _shown(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
