"""Whose fault it is that a pass or an operator function breaks: a file's, where onnxruntime does not take it either."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from converter.proof.inputs.cases import ATTEMPTS, plan
from converter.proof.random_numbers.given import feeds_of
from converter.temporary import temporary_folder
from passes.errors import BadSource, ConversionError, LimitExceeded

if TYPE_CHECKING:
    from converter.sources import Source

NO_FAULT_OF_A_FILE = ("NOT_IMPLEMENTED", "bad allocation", "Failed to allocate")
"""What onnxruntime says where it lacks a kernel, or memory."""


MOST_SECONDS = 15

ASK = """
import sys
import numpy as np
import onnxruntime as ort
ort.set_default_logger_severity(4)
reason = None
try:
    session = ort.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
except Exception as error:
    reason = f"onnxruntime cannot load it: {error}"
else:
    arrays = np.load(sys.argv[2])
    trials = {}
    for key in arrays.files:
        place, name = key.split("/", 1)
        trials.setdefault(place, {})[name] = arrays[key]
    for feeds in trials.values() or [{}]:
        try:
            session.run(None, feeds)
        except Exception as error:
            reason = f"onnxruntime cannot run it: {error}"
        else:
            reason = None
            break
print(reason.splitlines()[0] if reason else "")
"""
"""Prints why not, in one line, or nothing."""


@contextmanager
def broken_files_told(source: Source) -> Iterator[None]:
    """Inside of it, whatever breaks is told as the file's fault where onnxruntime refuses the file, or stops in it.

    The door checks node by node. That the shapes of all of them fit together is known when they have been computed:
    onnxruntime does that, and is asked when it matters only. What it takes is a bug of keraport, and stays one.

    Raises:
        BadSource: with what onnxruntime says.
        LimitExceeded: the memory did not suffice.
    """
    try:
        yield
    except ConversionError:
        raise
    except MemoryError as error:
        raise LimitExceeded(f"The graph has a size for which there is no memory: {error}") from error
    except Exception as error:
        reason = None if source.torch_module is not None else _refusal(source)
        if reason is None or any(told in reason for told in NO_FAULT_OF_A_FILE):
            raise
        raise BadSource(f"The graph does not fit together: {reason}") from error


def _refusal(source: Source) -> str | None:
    """Why onnxruntime does not load the source, or does not run it at any of the sizes that a proof would try."""
    with temporary_folder("broken") as folder:
        path = None if source.noise else source.path
        if path is None:
            path = Path(folder) / "model.onnx"
            ir.save(source.model, path)
        trials = Path(folder) / "trials.npz"
        try:
            larger = (plan(source.asked, sizes=sizes)[0] for sizes in ATTEMPTS[1:])
            cases = enumerate([*plan(source.asked), *larger])
            given = {f"{place}/{n}": a for place, case in cases for n, a in feeds_of(source, case).items()}
            np.savez(trials, **given)  # type: ignore[arg-type]
        except ConversionError as error:
            return error.message
        return _asked(path, trials)


def _asked(path: Path, trials: Path) -> str | None:
    """In a process of its own: onnxruntime divides by zero, and reads where nothing is, in what is broken enough."""
    command = [sys.executable, "-c", ASK, str(path), str(trials)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=MOST_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"onnxruntime is not done with it after {MOST_SECONDS} s"
    if done.returncode < 0:
        return f"onnxruntime itself breaks on it, with signal {-done.returncode}"
    return done.stdout.strip() or None
