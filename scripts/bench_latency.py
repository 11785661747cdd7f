"""Latency of a converted model against one written by hand, with the same weights, and against onnxruntime.

python -m scripts.bench_latency FILE.onnx [--handwritten resnet50] [--batches 1 8] [--rounds 30] [--size 224]

One thread each. Two contestants take turns, so that whatever else the machine does hits both of them; a ratio is the
median of the ratios within the rounds. `scripts.bench` runs it with one core.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scripts.children import Result, reply

if TYPE_CHECKING:
    import keras

    from converter import Conversion
    from converter.ports import Port

WARM_UP = 3
RTOL, ATOL = 1e-4, 1e-5

Array = np.ndarray[Any, np.dtype[Any]]
Contestants = Mapping[str, Callable[[], Array]]


def main(arguments: Sequence[str]) -> Result:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--handwritten", help="a module of models.handwritten")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--size", type=int, default=224, help="height and width where the file leaves them open")
    options = parser.parse_args(arguments)
    one_thread()
    import converter
    from converter.ports import to_keras

    conversion = converter.convert(str(options.file), verify=False)
    handwritten = build_by_hand(options.handwritten, options.file) if options.handwritten else None
    latencies = []
    for batch in options.batches:
        arrays = draw(conversion, batch, options.size)
        turned = to_keras(conversion.inputs, arrays)
        output = conversion.outputs[0]
        contestants = {"converted": under_tf_function(conversion.model, turned)}
        if handwritten is not None:
            contestants["handwritten"] = under_tf_function(handwritten, turned)
        contestants["onnxruntime"] = in_onnxruntime(options.file, arrays)
        require_equal(contestants, output)
        latencies.append({"batch": batch, **compare(contestants, options.rounds)})
    return {"latency": latencies, "handwritten": options.handwritten}


def one_thread() -> None:
    import tensorflow as tf

    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.threading.set_intra_op_parallelism_threads(1)


def build_by_hand(name: str, file: Path) -> keras.Model:
    """A model of models.handwritten with the weights in an .onnx file, which have the names of the state_dict."""
    import onnx_ir as ir

    from models.handwritten.weights import set_weights

    graph = ir.load(file).graph
    state = {str(v.name): v.const_value.numpy() for v in graph.initializers.values() if v.const_value is not None}
    model: keras.Model = importlib.import_module(f"models.handwritten.{name}").build()
    set_weights(model, state)
    return model


def draw(conversion: Conversion, batch: int, size: int) -> list[Array]:
    """Random inputs in the source's axes: `batch` for a first axis that is open, `size` for every other."""
    generator = np.random.default_rng(batch)
    shapes = [
        [n if isinstance(n, int) else size if axis else batch for axis, n in enumerate(port.shape)]
        for port in conversion.inputs
    ]
    pairs = zip(shapes, conversion.inputs, strict=True)
    return [generator.standard_normal(shape).astype(port.dtype) for shape, port in pairs]


def under_tf_function(model: keras.Model, arrays: Sequence[Array]) -> Callable[[], Array]:
    """A call of the model for inference as one TensorFlow graph, traced for these shapes."""
    import tensorflow as tf

    tensors = [tf.constant(array) for array in arrays]
    signature = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in tensors]

    @tf.function(input_signature=signature, autograph=False)
    def infer(*inputs: Any) -> Any:
        return model(list(inputs) if len(inputs) > 1 else inputs[0], training=False)

    return lambda: tf.nest.flatten(infer(*tensors))[0].numpy()


def in_onnxruntime(file: Path, arrays: Sequence[Array]) -> Callable[[], Array]:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    feeds = {value.name: array for value, array in zip(session.get_inputs(), arrays, strict=True)}
    return lambda: np.asarray(session.run(None, feeds)[0])


def require_equal(contestants: Contestants, output: Port) -> None:
    """A fast wrong answer is worth nothing.

    Raises:
        ValueError: the first outputs differ by more than float32 explains.
    """
    expected = contestants["onnxruntime"]()
    for name, run in contestants.items():
        found = run() if name == "onnxruntime" else output.to_source(run())
        bound = ATOL + RTOL * float(np.max(np.abs(expected)))
        error = float(np.max(np.abs(found - expected)))
        if not error <= bound:
            raise ValueError(f"{name} differs from onnxruntime by {error:.2e}, more than {bound:.2e}.")


def compare(contestants: Contestants, rounds: int) -> Result:
    """Median milliseconds of each, and `to_…`: how many times as long the converted model takes as that contestant."""
    converted: list[float] = []
    result: Result = {"rounds": rounds}
    for rival in contestants:
        if rival == "converted":
            continue
        pairs = take_turns(contestants["converted"], contestants[rival], rounds)
        converted += [a for a, _ in pairs]
        result[f"{rival}_ms"] = statistics.median(b for _, b in pairs)
        result[f"to_{rival}"] = statistics.median(a / b for a, b in pairs)
    return {**result, "converted_ms": statistics.median(converted)}


def take_turns(a: Callable[[], Array], b: Callable[[], Array], rounds: int) -> list[tuple[float, float]]:
    """Milliseconds of both, round by round: a b, b a, a b, … What ran before leaves its traces in the caches, and here
    each runs after itself as often as after the other.
    """
    for _ in range(WARM_UP):
        a(), b()
    pairs = []
    for turn in range(rounds):
        if turn % 2:
            second, first = milliseconds(b), milliseconds(a)
        else:
            first, second = milliseconds(a), milliseconds(b)
        pairs.append((first, second))
    return pairs


def milliseconds(run: Callable[[], Array]) -> float:
    start = time.perf_counter()
    run()
    return 1e3 * (time.perf_counter() - start)


if __name__ == "__main__":
    reply(main)
