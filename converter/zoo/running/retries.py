"""What is tried again, and how."""

from __future__ import annotations

from dataclasses import replace

from converter.zoo.records.result import CRASHED, OUT_OF_MEMORY, Result
from converter.zoo.running.worker import Task

ATTEMPTS = 2
SEGFAULT = "SIGSEGV"


def again_now(task: Task, result: Result) -> Task | None:
    """A segfault may be bad luck: once more, at once."""
    segfault = result.status == CRASHED and result.detail.get("signal") == SEGFAULT
    return replace(task, attempt=task.attempt + 1) if segfault and task.attempt < ATTEMPTS else None


def again_alone(task: Task, result: Result) -> Task | None:
    """What ran out of memory: once more with the double, when nothing else runs."""
    if result.status != OUT_OF_MEMORY or task.attempt >= ATTEMPTS or task.limits.memory is None:
        return None
    return replace(task, attempt=task.attempt + 1, limits=replace(task.limits, memory=2 * task.limits.memory))
