"""What a Dask worker does with a task: fetch, convert in a child, upload, answer.

Dask only carries tasks and answers. Limits, isolation and retries are ours: a model that takes its process down takes
no worker along.
"""

from __future__ import annotations

import os
import socket
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from converter.temporary import temporary_folder
from converter.zoo.records.entry import Entry, Limits, folder_name
from converter.zoo.records.result import Result
from converter.zoo.results.content_key import code_key
from converter.zoo.running.outcome import error_detail
from converter.zoo.running.remote import fetched, upload
from converter.zoo.running.supervise import run_entry
from converter.zoo.running.warm import Servers
from passes.errors import ConversionError

TOPIC = "keraport"
"""Of the events that workers send while they work."""

_stops: dict[str, threading.Event] = {}
"""Set when a run is over for this worker, by its folder: several runs may share a cluster."""


@dataclass(frozen=True)
class Task:
    """One attempt at one entry.

    Attributes:
        key: the content key, for the result.
        attempt: 1 for the first.
        run: the run's folder, absolute.
        outputs: a URL to put the models below, instead of the run's folder.
        packages: what the warm servers import.
    """

    entry: Entry
    limits: Limits
    key: str
    attempt: int
    run: str
    outputs: str | None = None
    packages: tuple[str, ...] = ()


def perform(task: Task) -> Result:
    """Do it, on whichever worker this is. Whatever goes wrong with the model is a result."""
    stopped = _stops.setdefault(task.run, threading.Event())
    if stopped.is_set():
        return crashed(task, KeyboardInterrupt())
    where = f"{socket.gethostname()}:{os.getpid()}"
    send = _sender(task.attempt, where)
    with temporary_folder("fetched") as scratch:
        try:
            result = _perform(task, Path(scratch), send, stopped)
        except ConversionError as error:  # of the storage
            status, detail = error_detail(error)
            result = Result.of(task.entry, status, detail)
    return replace(result, key=task.key, attempts=task.attempt, worker=where)


def _perform(task: Task, scratch: Path, send: Callable[[dict[str, Any]], None], stopped: threading.Event) -> Result:
    entry = fetched(task.entry, scratch / "source")
    name = folder_name(entry.name)
    folder = Path(task.run) / "models" / name if task.outputs is None else scratch / "made"
    servers = Servers.shared(task.packages)
    result = run_entry(entry, task.limits, folder, servers=servers, on_event=send, stop=stopped)
    result = replace(result, source=task.entry.source)
    if task.outputs is None:
        return replace(result, files={kind: f"models/{name}/{file}" for kind, file in result.files.items()})
    return replace(result, files=upload(folder, dict(result.files), f"{task.outputs.rstrip('/')}/{name}"))


def ready(run: str) -> dict[str, str]:
    """Called on every worker before a run. What must be equal everywhere."""
    _stops.pop(run, None)
    return {"code": code_key()}


def stop(run: str) -> None:
    """End what this worker does for a run, and begin nothing more: the results are `killed`."""
    _stops.setdefault(run, threading.Event()).set()


def _sender(attempt: int, where: str) -> Callable[[dict[str, Any]], None]:
    from distributed import get_worker

    try:
        worker = get_worker()
    except ValueError:  # not on a worker: nobody listens
        return lambda event: None
    return lambda event: worker.log_event(TOPIC, {**event, "attempt": attempt, "worker": where})


def crashed(task: Task, error: BaseException) -> Result:
    """The result of a task that did not come back."""
    lines = traceback.format_exception(error)
    status, detail = error_detail(error, "".join(lines))
    return Result.of(task.entry, status, detail, key=task.key, attempts=task.attempt)
