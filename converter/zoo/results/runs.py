"""A run that is there already, from its folder or from its `results.jsonl`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from converter.zoo.records.result import Result
from converter.zoo.results import lines
from converter.zoo.results.store import ResultStore
from converter.zoo.results.summary import Summary, summarise
from passes.errors import UsageError

_FIELDS = {field.name for field in fields(Result)}


def summaries_of(run: Path) -> list[Summary]:
    """What became of each model.

    Args:
        run: a run's folder, or a `results.jsonl`, in which the last line of a name counts.

    Raises:
        UsageError: it is neither, or damaged.
    """
    if run.is_dir():
        with ResultStore(run, read_only=True) as store:
            return list(store.summaries())
    found = {}
    for number, values in enumerate(lines.read(run), start=1):
        result = _result(values, f"{run}:{number}")
        found[result.name] = summarise(result)
    return list(found.values())


def _result(values: Mapping[str, Any], where: str) -> Result:
    """Another version may have written more or fewer of the attributes; a name and a status are needed."""
    if not (isinstance(values.get("name"), str) and isinstance(values.get("status"), str)):
        raise UsageError(f"{where} is no result: it has no name and status.", hint="Name a results.jsonl of a run.")
    known = {key: value for key, value in values.items() if key in _FIELDS}
    return Result(**{**known, "tags": tuple(values.get("tags", ()))})
