"""One run of onnxruntime, its failures told as errors of ours; one that does not end is ended."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime as ort

from passes.errors import BadSource, first_line

MOST_SECONDS = 60.0
"""For a graph with loops: what they depend on may never come."""

Array = np.ndarray[Any, np.dtype[Any]]


def has_loops(model: ir.Model) -> bool:
    return any(node.op_type == "Loop" for node in model.graph.all_nodes())


def run(session: ort.InferenceSession, feeds: Mapping[str, Array], *, loops: bool = False) -> list[Array]:
    """The outputs; a float64 or bfloat16 array goes to a float32 input as that.

    Args:
        loops: whether the graph has loops, so that it may not end by itself.

    Raises:
        BadSource: onnxruntime stops, is stopped, or lacks an input.
    """
    given: dict[str, Array] = {}
    for value in session.get_inputs():
        if value.name not in feeds:
            raise BadSource(f"The input {value.name!r} is missing. Received: {', '.join(sorted(feeds))}.")
        array = np.asarray(feeds[value.name])
        is_wanted = value.type == "tensor(float)" and array.dtype.name in ("bfloat16", "float64")
        given[value.name] = array.astype(np.float32) if is_wanted else array
    try:
        with _ending(MOST_SECONDS if loops else None) as options:
            outputs: Sequence[Array] = session.run(None, given, options)
    except Exception as error:  # onnxruntime has many kinds
        if "terminate flag" in str(error):
            reason = f"onnxruntime was stopped after {MOST_SECONDS:.0f} s: a Loop of the graph did not end."
            raise BadSource(reason, hint="Give inputs for which it ends: --example FILE.") from error
        raise BadSource(f"onnxruntime cannot run the graph: {first_line(error)}") from error
    return list(outputs)


@contextmanager
def _ending(seconds: float | None) -> Iterator[ort.RunOptions | None]:
    """Options of a run that is told to end after a while; None for one that will end by itself."""
    if seconds is None:
        yield None
        return
    options = ort.RunOptions()
    timer = threading.Timer(seconds, lambda: setattr(options, "terminate", True))
    timer.daemon = True
    timer.start()
    try:
        yield options
    finally:
        timer.cancel()
