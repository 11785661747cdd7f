"""How long a written file takes for one call, beside onnxruntime on the source, one after the other on this machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from converter.ports import Port, to_keras
from converter.processes.replay import Replay
from converter.proof.oracle import Oracle

Array = np.ndarray[Any, np.dtype[Any]]
MOST_CALLS, MOST_SECONDS = 20, 1.0


def latencies(
    saved: Path,
    oracle: Oracle,
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    feeds: Mapping[str, Array],
    backend: str,
) -> dict[str, float | None]:
    """Medians in milliseconds: `latency_ms` of the file by its own runtime, `onnxruntime_ms` of the source.

    Args:
        feeds: what both are called with, axes as in the source.
    """
    given, names = ([port.called for port in ports] for ports in (inputs, outputs))
    case = to_keras(inputs, [feeds[port.name] for port in inputs])
    found = Replay.warm(backend).replay(saved, [case], inputs=given, outputs=names, timed=True)
    return {"latency_ms": _milliseconds(found.seconds), "onnxruntime_ms": _milliseconds(_seconds(oracle, feeds))}


def _seconds(oracle: Oracle, feeds: Mapping[str, Array]) -> float:
    times: list[float] = []
    while len(times) < MOST_CALLS and sum(times) < MOST_SECONDS:
        start = time.perf_counter()
        oracle.run(feeds)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * seconds, 3)
