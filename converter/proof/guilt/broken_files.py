"""Whose fault it is that a pass or an operator function breaks: a file's, where onnxruntime does not take it either."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from converter.proof.cases import feeds, graph_inputs, plan
from passes.errors import BadSource, ConversionError, LimitExceeded

if TYPE_CHECKING:
    from converter.sources import Source

NO_FAULT_OF_A_FILE = ("NOT_IMPLEMENTED", "bad allocation", "Failed to allocate")
"""What onnxruntime says where it lacks a kernel, or memory."""


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
    from converter.proof.oracle import Oracle

    reason = None
    try:
        inputs = graph_inputs(source.model)
        oracle = Oracle(source.path or source.model, threads=1)
        trials = [feeds(inputs, case) for case in plan(inputs)]
    except ConversionError as error:
        return error.message
    for trial in trials:
        try:
            oracle.run(trial)
        except BadSource as error:
            reason = error.message
        else:
            return None
    return reason
