"""The state of a drawing: values with their numbers at every size, nodes that onnxruntime has run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper

Array = np.ndarray[Any, np.dtype[Any]]

SIZES: tuple[dict[str, int], ...] = (
    {"batch": 2, "length": 5, "h": 6, "w": 7},
    {"batch": 3, "length": 8, "h": 9, "w": 8},
    {"batch": 1, "length": 5, "h": 6, "w": 8},
)
"""A node must run at all of these; a model is compared at them."""

MOST_ELEMENTS = 5000
LARGEST = 1e4
"""Numbers beyond are not drawn on: what is left of their digits says nothing."""

OPSET = 23

ort.set_default_logger_severity(4)


@dataclass(frozen=True)
class Value:
    """A tensor by name, its numbers at each of SIZES."""

    name: str
    arrays: tuple[Array, ...]

    @property
    def rank(self) -> int:
        return self.arrays[0].ndim

    @property
    def dtype(self) -> str:
        return self.arrays[0].dtype.name

    @property
    def is_float(self) -> bool:
        return self.dtype == "float32"

    @property
    def is_integer(self) -> bool:
        return self.dtype in ("int32", "int64")

    def size(self, axis: int) -> int | None:
        """None where it is open."""
        sizes = {array.shape[axis] for array in self.arrays}
        return sizes.pop() if len(sizes) == 1 else None

    def least(self, axis: int) -> int:
        return min(array.shape[axis] for array in self.arrays)

    @property
    def fixed(self) -> list[int]:
        """Axes whose size is a number."""
        return [axis for axis in range(self.rank) if self.size(axis) is not None]


class Drawing:
    """Draws numbers and collects nodes."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.nodes: list[onnx.NodeProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.values: list[Value] = []

    def pick(self, options: Sequence[Any] | range) -> Any:
        return self.chance.choice(list(options))

    def whole(self, low: int, high: int) -> int:
        return self.chance.randint(low, high)

    def yes(self) -> bool:
        return self.chance.random() < 0.5

    def some(self, options: Sequence[Any], least: int = 1) -> list[Any]:
        """Some of them, in order."""
        return [each for each in options if self.yes()] or list(options[:least])

    def input(self, shape: Sequence[int | str], dtype: str) -> Value:
        name = f"x{len(self.inputs)}"
        element = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        self.inputs.append(helper.make_tensor_value_info(name, element, list(shape)))
        arrays = [
            numbers([sizes[each] if isinstance(each, str) else each for each in shape], dtype, len(self.inputs))
            for sizes in SIZES
        ]
        return Value(name, tuple(arrays))

    def constant(self, array: Any, dtype: str = "int64") -> Value:
        """Lists are int64."""
        data = np.asarray(array, None if isinstance(array, np.ndarray) else dtype)
        name = f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(data, name))
        return Value(name, (data,) * len(SIZES))

    def weight(self, *shape: int) -> Value:
        return self.constant(numbers(shape, "float32", len(self.initializers)))

    def node(
        self,
        op_type: str,
        inputs: Sequence[Value | None],
        outputs: int = 1,
        outer: Sequence[Value] = (),
        **attributes: Any,
    ) -> list[Value] | None:
        """Its results; None where onnxruntime does not run it, or they are of no use.

        Args:
            outer: what graphs among the attributes read.
        """
        place = len(self.nodes)
        names = [f"v{place}" if outputs == 1 else f"v{place}_{i}" for i in range(outputs)]
        told = ["" if value is None else value.name for value in inputs]
        node = helper.make_node(op_type, told, names, name=f"n{place}", **attributes)
        results = _run(node, [*(value for value in inputs if value is not None), *outer])
        if results is None:
            return None
        self.nodes.append(node)
        return [Value(name, arrays) for name, arrays in zip(names, results, strict=True)]


def numbers(shape: Sequence[int], dtype: str, seed: int) -> Array:
    generator = np.random.default_rng(seed)
    if dtype == "float32":
        return generator.standard_normal(shape).astype(np.float32)
    if dtype == "bool":
        return generator.integers(0, 2, shape).astype(bool)
    return generator.integers(0, 9, shape).astype(dtype)


def _run(node: onnx.NodeProto, inputs: Sequence[Value]) -> list[tuple[Array, ...]] | None:
    known = {value.name: value for value in inputs}
    ports = [
        helper.make_tensor_value_info(
            value.name, helper.np_dtype_to_tensor_dtype(value.arrays[0].dtype), [None] * value.rank
        )
        for value in known.values()
    ]
    graph = helper.make_graph([node], "one", ports, [onnx.ValueInfoProto(name=name) for name in node.output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    options = ort.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        found = [session.run(None, {name: value.arrays[i] for name, value in known.items()}) for i in range(len(SIZES))]
    except Exception:  # noqa: BLE001 (onnxruntime raises a dozen unrelated types)
        return None
    results: list[tuple[Array, ...]] = list(zip(*found, strict=True))
    return results if all(map(_is_useful, results)) else None


def _is_useful(arrays: tuple[Array, ...]) -> bool:
    return all(
        0 < array.size <= MOST_ELEMENTS
        and array.ndim == arrays[0].ndim
        and array.ndim <= 6
        and (array.dtype.kind != "f" or np.isfinite(array).all())
        and np.abs(array.astype(np.float64)).max() < LARGEST
        for array in arrays
    )
