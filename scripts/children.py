"""Run a measurement in a fresh process, by default on one core and with one thread: nothing is warm or in memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = {
    "KERAS_BACKEND": "tensorflow",
    "OMP_NUM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
}
"""Set before anything is imported: libraries size their thread pools when they are loaded."""
MARK = "keraport-result:"
LAST_LINES = 15

Result = dict[str, Any]


class ChildFailed(RuntimeError):
    """A measurement ended without a result. The message has the end of what it wrote to stderr."""


def measure(module: str, *arguments: str | int | float | Path, core: int | None = None, pinned: bool = True) -> Result:
    """Run `python -m module arguments` on one core and return what its `reply` was given.

    Args:
        core: the processor to run on; by default the last that this process may use: the first is the busiest.
        pinned: otherwise it has all cores, and as many threads as it likes.
    Raises:
        ChildFailed: it ended with an error, or without a result.
    """
    chosen = max(os.sched_getaffinity(0)) if core is None else core
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **(ENVIRONMENT if pinned else {})},
        capture_output=True,
        text=True,
        preexec_fn=(lambda: os.sched_setaffinity(0, {chosen})) if pinned else None,
    )
    for line in reversed(done.stdout.splitlines()):
        if line.startswith(MARK):
            return dict(json.loads(line.removeprefix(MARK)))
    end = "\n".join(done.stderr.strip().splitlines()[-LAST_LINES:])
    raise ChildFailed(f"{' '.join(command[1:])} ended with {done.returncode}:\n{end}")


def reply(main: Callable[[Sequence[str]], Result]) -> None:
    """What a measuring module ends with: run its main and hand the result to `measure`."""
    result = main(sys.argv[1:])
    print(MARK + json.dumps(result), flush=True)
