"""A run of a zoo on one page: entries → what is done already → tasks → results, one by one → the pages."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from converter.zoo.records.entry import Entry, Limits
from converter.zoo.records.result import TIMED_OUT, Result
from converter.zoo.results.content_key import content_keys
from converter.zoo.results.store import DATABASE, ResultStore
from converter.zoo.running.cluster import Cluster, Perform
from converter.zoo.running.model_server import packages_for
from converter.zoo.running.progress import Progress
from converter.zoo.running.retries import again_alone, again_now
from converter.zoo.running.worker import Task, perform
from passes.errors import UsageError

MEMORY_SHARE = 0.8
"""Of the machine's memory, for all children together, where no limit is given."""


@dataclass(frozen=True)
class Settings:
    """How a zoo is run.

    Attributes:
        out: the run's folder, RUN.
        jobs: models at the same time, in a cluster of this process.
        timeout: seconds for each model.
        memory: bytes for each model; None shares the machine's memory.
        resume: go on with a run that is there.
        scheduler: address of a Dask scheduler instead of a cluster of this process.
        outputs: a URL to put the models and reports below, instead of RUN.
    """

    out: Path
    jobs: int = 2
    timeout: float = 1800.0
    memory: int | None = None
    resume: bool = False
    scheduler: str | None = None
    outputs: str | None = None

    @property
    def limits(self) -> Limits:
        memory = self.memory or int(MEMORY_SHARE * psutil.virtual_memory().total / self.jobs)
        return Limits(self.timeout, memory, max(1, (os.cpu_count() or 1) // self.jobs))


def run_zoo(
    entries: Sequence[Entry],
    settings: Settings,
    progress: Progress,
    *,
    whole: Sequence[Entry] | None = None,
    perform: Perform = perform,
) -> dict[str, str]:
    """Convert every entry that has no result yet; the status of each, by name.

    Whatever one model does, the others go on. When this process is killed, at any moment, a run with `resume` ends with
    the same results as one that was not.

    Args:
        whole: all that the manifests have, where the entries are a part of it.
    Raises:
        UsageError: RUN is there and `resume` is not set, or is in use; the cluster cannot be reached.
        KeyboardInterrupt: after the children are gone; the run can be resumed.
    """
    if not settings.resume and (settings.out / DATABASE).exists():
        raise UsageError(
            f"There is a run in {str(settings.out)!r}.", hint="Go on with it: --resume. Or name another folder: --out."
        )
    keys = content_keys(entries, settings.limits)
    with ResultStore(settings.out) as store:
        store.plan(entries, keys, whole)
        done = {name: result for name, result in store.done().items() if not has_more_time(result, settings)}
        tasks = _tasks([entry for entry in entries if entry.name not in done], keys, settings)
        progress.begin(len(entries), done.values())
        if tasks:
            run = str(settings.out.resolve())
            with (
                _terminable(),
                Cluster(run, settings.scheduler, settings.jobs, perform=perform) as cluster,
                progress,
            ):
                cluster.listen(lambda event: _note(event, store, progress))
                _run(tasks, cluster, store, progress)
        store.write_lines()
        return {name: result.status for name, result in store.done().items()}


def has_more_time(result: Result, settings: Settings) -> bool:
    """Whether it ran out of a time that was shorter than it would be now."""
    return result.status == TIMED_OUT and settings.timeout > math.ceil(result.seconds)


def _run(tasks: Sequence[Task], cluster: Cluster, store: ResultStore, progress: Progress) -> None:
    """All tasks side by side; then those that need the machine for themselves."""
    progress.slots = cluster.slots
    alone: list[Task] = []
    again: list[Task] = []
    for batch, ahead in ((tasks, None), (again, None), (alone, 1)):
        for task, result in cluster.run(batch, ahead=ahead):
            if retry := again_now(task, result):
                again.append(retry)
            elif retry := again_alone(task, result):
                alone.append(retry)
            else:
                store.add(result)
                progress.finished(result)


def _tasks(entries: Sequence[Entry], keys: dict[str, str], settings: Settings) -> list[Task]:
    packages = tuple(packages_for(entries))
    run = str(settings.out.resolve())
    return [Task(entry, settings.limits, keys[entry.name], 1, run, settings.outputs, packages) for entry in entries]


def _note(event: dict[str, Any], store: ResultStore, progress: Progress) -> None:
    """A stage begins or ends somewhere, or memory was looked at."""
    progress.event(event)
    if "stage" not in event:
        return
    name, attempt, stage = event["name"], event["attempt"], event["stage"]
    if event["ok"] is None:
        store.stage_started(name, attempt, stage, event["worker"])
    else:
        store.stage_ended(name, attempt, stage, event["ok"], event["seconds"])


@contextmanager
def _terminable() -> Iterator[None]:
    """A polite kill is an interruption, too: children are ended, and the run can be resumed."""

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not the main thread: the caller has the signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
