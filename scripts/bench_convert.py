"""One conversion in a fresh process: seconds of each stage, and memory above what the imports took.

python -m scripts.bench_convert FILE.onnx

From the .onnx file to the Keras model in memory, without verification. `scripts.bench` runs it with one core.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.children import Result, reply
from scripts.peak_memory import PeakMemory

if TYPE_CHECKING:
    import keras

LAZY = ("converter.backends.keras.emit", "converter.sources.onnx.file")
"""What a conversion of an .onnx file imports on its way."""


def main(arguments: Sequence[str]) -> Result:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    file = parser.parse_args(arguments).file
    import_everything()
    return convert(file)


def import_everything() -> None:
    """Everything that a conversion needs, so that it is not measured with it."""
    from converter.terminal.quiet_tensorflow import import_backend

    for module in LAZY:
        importlib.import_module(module)
    import_backend()


def convert(file: Path) -> Result:
    """Convert and measure.

    Returns:
        seconds: of all; cpu_seconds: those in which this process ran, which tell of a busy machine; stages and passes:
        seconds by name; peak_bytes: the most memory above that after the imports; weights_bytes: of the Keras model's
        variables; peak_multiple: the one by the other; parameters, operations, transposes: of the Keras model.
    """
    import converter

    gc.collect()
    with PeakMemory() as memory:
        start, start_cpu = time.perf_counter(), time.process_time()
        conversion = converter.convert(str(file), verify=False)
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - start_cpu
    weights = sum(bytes_of(variable) for variable in conversion.model.variables)
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "stages": {stage.name: stage.seconds for stage in conversion.report.stages},
        "passes": seconds_of_passes(file),
        "peak_bytes": memory.peak,
        "weights_bytes": weights,
        "peak_multiple": memory.peak / weights if weights else None,
        "parameters": conversion.report.parameters,
        "operations": count_operations(conversion.model),
        "transposes": conversion.report.transposes,
    }


def seconds_of_passes(file: Path) -> dict[str, float]:
    """Seconds of each pass by name, in a second run. A pass that runs twice counts as one."""
    from converter.prepare import prepare
    from converter.sources import load

    model = load(str(file)).model
    seconds: dict[str, float] = {}
    last = time.perf_counter()

    def observe(name: str, graph: Any) -> None:
        nonlocal last
        now = time.perf_counter()
        seconds[name] = seconds.get(name, 0.0) + now - last
        last = time.perf_counter()

    prepare(model, keep_normalised=False, observer=observe)
    return seconds


def bytes_of(variable: Any) -> int:
    import numpy as np

    return int(np.prod(variable.shape)) * int(variable.value.dtype.size)


def count_operations(model: keras.Model) -> int:
    """Layers and operations in the model and in the models nested in it; a nested model is none itself."""
    import keras

    count = 0
    for operation in model.operations:
        if isinstance(operation, keras.Model):
            count += count_operations(operation)
        elif not isinstance(operation, keras.layers.InputLayer):
            count += 1
    return count


if __name__ == "__main__":
    reply(main)
