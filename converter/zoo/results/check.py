"""A run against the statuses that were expected of it. Whatever differs is a change, what is fixed as well: the list is
then out of date."""

from __future__ import annotations

from pathlib import Path

from converter.zoo.manifests.document import read_document
from converter.zoo.records.entry import KERAS
from converter.zoo.records.result import STATUSES
from converter.zoo.results import lines
from converter.zoo.results.compare_runs import Change, status_change
from converter.zoo.results.store import ResultStore
from passes.errors import UsageError

MISSING = "missing"
UNEXPECTED = "unexpected"


def check(run: Path, expected_file: Path | None = None) -> list[Change]:
    """Every model whose status is not the expected one; an empty list is what a good run gives.

    Beside `fixed`, `broken` and `changed` there are two more kinds: a model is `missing` when it is expected and the
    run has no result of it, `unexpected` when the run has it and nothing is expected of it.

    Args:
        run: the run's folder.
        expected_file: None for what the manifests of the run said when it was made, all of them: what a filtered run
            left out is missing; otherwise one of
            - a `results.jsonl`, or the folder of a run: the statuses of that run;
            - a TOML file with a table `[expected]` of lines `name = "status"`;
            - a manifest, with the `expected` of its models, as it is now.

    Raises:
        UsageError: the run or the file cannot be read, or names a status that does not exist.
    """
    with ResultStore(run, read_only=True) as store:
        in_manifests = store.expected()
        summaries = list(store.summaries())
    found = {summary.name: summary.status for summary in summaries}
    expected = in_manifests if expected_file is None else _expected(expected_file)
    changes = []
    for name, status in expected.items():
        if not status:  # of another backend, of which manifests expect nothing
            continue
        change = status_change(name, status, found[name]) if name in found else Change(name, MISSING, status, "")
        changes.extend([change] if change else [])
    # A model that was planned and has no result is no surprise, but a gap: it shows where it is expected.
    ours = {summary.name for summary in summaries if summary.backend == KERAS}
    changes.extend(
        Change(name, UNEXPECTED, "", status) for name, status in found.items() if name not in expected and name in ours
    )
    return changes


def _expected(path: Path) -> dict[str, str]:
    if path.is_dir():
        with ResultStore(path, read_only=True) as store:
            return {summary.name: summary.status for summary in store.summaries()}
    if path.suffix != ".toml":
        return _checked(path, {str(line.get("name")): line.get("status") for line in lines.read(path)})
    values = read_document(path).values
    if isinstance(values.get("expected"), dict):
        return _checked(path, values["expected"])
    if "model" in values:
        from converter.zoo.manifests.manifest import read

        return {entry.name: entry.expected for entry in read([path], check_files=False)}
    raise UsageError(
        f"{str(path)!r} says nothing about what is expected.",
        hint='It needs a table [expected] of lines name = "status", or the [[model]] of a manifest.',
    )


def _checked(path: Path, statuses: dict[str, object]) -> dict[str, str]:
    checked = {}
    for name, status in statuses.items():
        if not isinstance(status, str) or status not in STATUSES:
            raise UsageError(
                f"{path}: {name!r} is expected to be {status!r}, which is no status.",
                hint=f"One of: {', '.join(STATUSES)}.",
            )
        checked[name] = status
    return checked
