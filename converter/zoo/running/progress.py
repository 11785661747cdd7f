"""What a run shows while it runs: a live table in a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from converter.zoo.records.result import VERIFIED, Result

REFRESH_PER_SECOND = 4
GIGABYTE = 1 << 30


@dataclass
class RunningModel:
    """A model that is being converted now."""

    worker: str
    since: float
    attempt: int = 1
    stage: str = ""
    memory: int = 0


class Progress:
    """The state of a run, and how it is shown. Events come from another thread than results.

    Attributes:
        slots: how many models run at the same time.
    """

    def __init__(self, console: Console) -> None:
        self.slots = 1
        self._console = console
        self._lock = threading.Lock()
        self._running: dict[str, RunningModel] = {}
        self._finished: set[str] = set()
        self._counts: Counter[str] = Counter()
        self._seconds: list[float] = []
        self._total = 0
        self._live: Live | None = None

    def begin(self, total: int, done: Iterable[Result]) -> None:
        """Before the first model: how many there are, and what an earlier run has done of them."""
        self._total = total
        self._counts.update(result.status for result in done)
        known = sum(self._counts.values())
        self._console.print(
            f"{total} model{'' if total == 1 else 's'}" + (f", {known} of them done before" if known else "")
        )

    def __enter__(self) -> Progress:
        if self._console.is_terminal:
            self._live = Live(get_renderable=self._table, console=self._console, refresh_per_second=REFRESH_PER_SECOND)
            self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.__exit__(kind, error, trace)
            self._live = None

    def event(self, event: dict[str, Any]) -> None:
        """A stage began or ended, or memory was looked at: see supervise.py."""
        name, attempt = event["name"], event["attempt"]
        with self._lock:
            if name in self._finished:  # it was told late
                return
            if name not in self._running or self._running[name].attempt != attempt:
                self._running[name] = RunningModel(event["worker"], time.monotonic(), attempt)
            running = self._running[name]
            running.stage = event.get("stage", running.stage)
            running.memory = event.get("memory", running.memory)

    def finished(self, result: Result) -> None:
        with self._lock:
            self._running.pop(result.name, None)
            self._finished.add(result.name)
            self._counts[result.status] += 1
            self._seconds.append(result.seconds)
            left = self._left()
        if self._live is None or result.status != VERIFIED:
            self._console.print(_line(result, f"{sum(self._counts.values())}/{self._total}", left))

    def _left(self) -> str:
        """How long it will take, from the mean of what was done; nothing while that says little, and at the end."""
        models = self._total - sum(self._counts.values())
        if len(self._seconds) < 2 * self.slots or models <= 0:
            return ""
        return _duration(models * sum(self._seconds) / len(self._seconds) / self.slots)

    def _table(self) -> Group:
        with self._lock:
            table = Table("Running", "Stage", "Seconds", "Memory", "Worker", box=None, pad_edge=False)
            for name, running in self._running.items():
                seconds = f"{time.monotonic() - running.since:.0f}"
                memory = f"{running.memory / GIGABYTE:.1f} GB"
                table.add_row(*map(Text, (name, running.stage, seconds, memory, running.worker)))
            done = sum(self._counts.values())
            parts = [f"{done} of {self._total} done", *(f"{count} {status}" for status, count in _sorted(self._counts))]
            left = self._left()
            return Group(table, Text(" · ".join([*parts, *([f"{left} left"] if left else [])]), style="bold"))


def _line(result: Result, place: str, left: str) -> Text:
    """No markup: names and messages may look like it."""
    mark = ("✓", "green") if result.status == VERIFIED else ("✗", "red")
    message = (str(result.detail.get("message") or "").strip().splitlines() or [""])[0]
    text = f" {place} {result.name} {result.status} {result.seconds:.1f} s"
    text += f", {left} left" if left else ""
    return Text.assemble(mark, f"{text}: {message}" if message else text)


def _sorted(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (item[0] != VERIFIED, -item[1]))


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
