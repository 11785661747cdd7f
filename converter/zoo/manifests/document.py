"""A manifest as text that has been read: its values, and errors that name file and line."""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from converter.zoo.manifests.toml_lines import Place, locate
from converter.zoo.records.kinds import MODEL_SUFFIXES
from passes.errors import UsageError

_AT_LINE = re.compile(r" \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$")


@dataclass(frozen=True)
class Document:
    """What tomllib made of a file, and where each part of it stands."""

    path: Path
    values: dict[str, Any]
    lines: dict[Place, int]

    def where(self, place: Place) -> str:
        """`FILE:LINE`; where there is no such key, that of the table it would be in."""
        while place and place not in self.lines:
            place = place[:-1]
        return f"{self.path}:{self.lines.get(place, 1)}"

    def error(self, place: Place, message: str, hint: str | None = None) -> UsageError:
        return UsageError(f"{self.where(place)}: {message}", hint=hint)


def read_document(path: Path) -> Document:
    """Read a TOML file. A model's file, and a folder of such, stand for a manifest that names nothing else.

    Raises:
        UsageError: there is no such file, or it is not TOML.
    """
    if path.is_dir() or path.suffix.lower() in MODEL_SUFFIXES:
        return Document(path, {"model": [{"source": Path(os.path.abspath(path)).name}]}, {})
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(f"The manifest {str(path)!r} does not exist.") from error
    except OSError as error:
        raise UsageError(f"The manifest {str(path)!r} cannot be read: {error.strerror}.") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}:{line}: The manifest is not UTF-8 text.") from error
    text = text.replace("\r\n", "\n")
    try:
        values = tomllib.loads(text)
    except ValueError as error:  # tomllib's own, and integers that are too long for Python
        raise UsageError(_not_toml(path, text, str(error))) from error
    except RecursionError as error:
        raise UsageError(f"{path}:1: The manifest is nested too deeply.") from error
    return Document(path, values, locate(text))


def did_you_mean(word: str, known: list[str]) -> str:
    """A hint: the likeliest of the known words, or all of them."""
    near = get_close_matches(word, known, 1)
    return f"Did you mean {near[0]}?" if near else f"Known: {', '.join(known)}."


def _not_toml(path: Path, text: str, message: str) -> str:
    """tomllib's message with its position in front."""
    found = _AT_LINE.search(message)
    if found is None:
        return f"{path}:1: Not TOML: {message}."
    if found["line"] is None:
        return f"{path}:{len(text.splitlines()) or 1}: Not TOML: {message[: found.start()]}, at the end of the file."
    return f"{path}:{found['line']}: Not TOML: {message[: found.start()]}, at column {found['column']}."
