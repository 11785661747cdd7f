"""`--backend keras,onnx2tf`: each model once by each of them, to be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from converter.options import CHOICES
from converter.zoo.manifests.document import did_you_mean
from converter.zoo.records.entry import KERAS, Entry, by_backend, folder_name
from passes.errors import UsageError


def parse_backends(text: str) -> tuple[str, ...]:
    """The names, each once.

    Raises:
        UsageError: there is none, or one that does not exist.
    """
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    known = CHOICES["backend"]
    unknown = next((name for name in names if name not in known), None)
    if unknown is not None or not names:
        hint = did_you_mean(unknown or "", list(known))
        raise UsageError(f"--backend must name some of {', '.join(known)}. Received: {text!r}.", hint=hint)
    return names


def by_backends(entries: Sequence[Entry], backends: Sequence[str]) -> list[Entry]:
    """An entry for each model and backend, those of a model beside each other; the entries as they are for Keras alone.

    Of another backend than Keras nothing is expected: what manifests expect, they expect of keraport.

    Raises:
        UsageError: a model has the name that another one would have by a backend.
    """
    timed = len(backends) > 1
    found = [_by(entry, backend, timed) for entry in entries for backend in backends]
    folders: dict[str, Entry] = {}
    for entry in found:
        other = folders.setdefault(folder_name(entry.name), entry)
        if other is not entry:
            raise UsageError(
                f"{other.name!r} and {entry.name!r} would both write to the folder {folder_name(entry.name)}.",
                hint="Give one of the two another name.",
            )
    return found


def _by(entry: Entry, backend: str, timed: bool) -> Entry:
    if backend == KERAS:
        return replace(entry, timed=timed)
    return replace(entry, name=by_backend(entry.name, backend), backend=backend, expected="")
