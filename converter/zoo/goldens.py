"""The goldens of a zoo: every verified model is checked against its record, or recorded where it has none."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from converter.golden.golden import Checked, check, record
from converter.golden.store import GoldenStore
from converter.options import Options
from converter.zoo.records.entry import KERAS, Entry
from converter.zoo.records.kinds import Kind, kind_of
from converter.zoo.records.result import VERIFIED
from converter.zoo.records.seeding import seed_factories
from passes.errors import ConversionError


def keep_or_check(folder: Path, entries: Sequence[Entry], statuses: Mapping[str, str]) -> Iterator[tuple[str, Checked]]:
    """One model after the other, in this process: "recorded" or "checked", and what was found.

    Args:
        folder: of the store.
        entries: of the run.
        statuses: of the run, by name; what is not verified, and verified by Keras, is left out.
    """
    store = GoldenStore(folder.resolve())
    known = set(store.names())
    for entry in entries:
        if statuses.get(entry.name) != VERIFIED or entry.backend != KERAS:
            continue
        with _at_the_manifest(entry.folder):
            if kind_of(entry.source) is Kind.FACTORY:
                seed_factories()
            if entry.name in known:
                yield "checked", check(store, entry.name)
                continue
            try:
                record(store, entry.name, entry.source, Options(**entry.told))
            except ConversionError as error:
                yield "recorded", Checked(entry.name, "FAIL", message=error.message)
            else:
                yield "recorded", Checked(entry.name, "ok")


@contextlib.contextmanager
def _at_the_manifest(folder: str) -> Iterator[None]:
    """Relative paths and factories start there."""
    with contextlib.chdir(folder):
        sys.path.insert(0, folder)
        try:
            yield
        finally:
            sys.path.remove(folder)
