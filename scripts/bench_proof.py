"""A conversion beside the loading of its result, and its verification beside the runs that it cannot do without.

python -m scripts.bench_proof FILE.onnx

All in one warm process: `to_load` is a conversion by `keras.models.load_model` of what it saved, `to_forward` the stage
"verify" by the calls of onnxruntime and of Keras, one for each case of it, on inputs of the same shapes.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from scripts.bench_convert import import_everything
from scripts.children import Result, reply

TURNS = 3


def main(arguments: Sequence[str]) -> Result:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    file = parser.parse_args(arguments).file
    import_everything()
    with tempfile.TemporaryDirectory(prefix="keraport-bench-") as folder:
        return compared(file, Path(folder) / "model.keras")


def compared(file: Path, saved: Path) -> Result:
    """Medians of turns, the first of which warms both sides and is not counted."""
    import keras

    import converter

    to_load, to_forward = list[float](), list[float]()
    for turn in range(TURNS + 1):
        proven = converter.convert(str(file), saved)
        loading = timed(lambda: keras.models.load_model(saved))
        converting = timed(lambda: converter.convert(str(file), verify=False))
        verification = proven.report.verification
        if turn and verification is not None:
            to_load.append(converting / loading)
            to_forward.append(_verifying(proven) / _forward(file, proven, verification["cases"]))
    return {"to_load": statistics.median(to_load), "to_forward": statistics.median(to_forward)}


def timed(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _verifying(conversion: Any) -> float:
    return float(next(stage.seconds for stage in conversion.report.stages if stage.name == "verify"))


def _forward(file: Path, conversion: Any, cases: Sequence[Mapping[str, Any]]) -> float:
    """Seconds of a call in onnxruntime and in Keras for each case."""
    import onnxruntime

    from converter.ports import to_keras

    session, total = onnxruntime.InferenceSession(str(file)), 0.0
    generator = np.random.default_rng(0)
    for case in cases:
        arrays = [generator.standard_normal(case["shape"][port.name]).astype(port.dtype) for port in conversion.inputs]
        feeds = dict(zip((port.name for port in conversion.inputs), arrays, strict=True))
        turned = to_keras(conversion.inputs, arrays)
        total += timed(partial(session.run, None, feeds))
        total += timed(partial(conversion.model, turned, training=False))
    return total


if __name__ == "__main__":
    reply(main)
