"""One operator, many small cases: what the tests of every operator family are made of.

    CASES = {"Softmax": [case("Softmax", x("batch", 3, 5), axis=1)], …}

The keys are names of the registry. Each case is converted in several contexts, so that the layout pass meets it with
permuted axes, and its model is compared with onnxruntime as it was built and as Keras loads it again from its JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Array = np.ndarray[Any, np.dtype[Any]]

CONTEXTS = ("plain", "turned", "conv")
"""On inputs of the graph; behind a Transpose from channels-last; behind a convolution with the identity.

A case may ask for "tied" as well: before a product with the transpose of the operator's own constant.
"""


@dataclass(frozen=True)
class Input:
    """A live tensor. `draw` says which numbers it gets; see `numbers`."""

    shape: tuple[int | str, ...]
    dtype: str = "float32"
    draw: str = "normal"

    def numbers(self, sizes: Mapping[str, int], seed: int) -> Array:
        shape = tuple(sizes[size] if isinstance(size, str) else size for size in self.shape)
        return numbers(shape, self.dtype, self.draw, seed)

    @property
    def can_turn(self) -> bool:
        return len(self.shape) >= 3

    @property
    def can_convolve(self) -> bool:
        return self.dtype == "float32" and 3 <= len(self.shape) <= 5 and isinstance(self.shape[1], int)


def x(*shape: int | str, dtype: str = "float32", draw: str = "normal") -> Input:
    """A live input."""
    return Input(shape, dtype, draw)


def c(values: Any, dtype: str = "int64") -> Array:
    """A constant with these numbers."""
    return np.asarray(values, dtype)


def w(*shape: int, dtype: str = "float32", draw: str = "normal") -> Array:
    """A constant with random numbers: a weight."""
    return numbers(shape, dtype, draw, crc32(repr((shape, dtype, draw)).encode()))


@dataclass(frozen=True)
class Case:
    """A node with its inputs: live ones, constants (arrays), or None for one that is left out.

    Attributes:
        outputs: how many outputs the node has; those after the first `used` are left unused.
        contexts: which of CONTEXTS it is converted in; those that none of its inputs allows are left out. By default
            "turned" is for inputs that a convolution does not take.
        sizes: for dynamic dimensions, the numbers to try.
    """

    op_type: str
    inputs: tuple[Input | Array | None, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    outputs: int = 1
    used: int = 0
    opset: int = 23
    contexts: tuple[str, ...] = CONTEXTS
    sizes: Mapping[str, Sequence[int]] = field(default_factory=lambda: {"batch": (1, 3)})
    tolerance: Any = None
    note: str = ""

    @property
    def live(self) -> dict[str, Input]:
        return {f"x{i}": value for i, value in enumerate(self.inputs) if isinstance(value, Input)}

    @property
    def possible_contexts(self) -> list[str]:
        able = {
            "plain": True,
            "turned": any(value.can_turn for value in self.live.values()),
            "conv": any(value.can_convolve for value in self.live.values()),
            "tied": True,
        }
        if self.contexts == CONTEXTS and able["conv"]:
            return ["plain", "conv"]
        return [context for context in self.contexts if able[context]]

    def feeds(self, sizes: Mapping[str, int], context: str, seed: int = 0) -> dict[str, Array]:
        found = {}
        for index, (name, value) in enumerate(self.live.items()):
            array = value.numbers(sizes, 101 * seed + index)
            turned = context == "turned" and value.can_turn
            found[name] = np.ascontiguousarray(np.moveaxis(array, 1, -1)) if turned else array
        return found

    def model(self, context: str = "plain") -> onnx.ModelProto:
        """The graph of one node, and what the context puts before or behind it."""
        nodes, initializers, graph_inputs, names = [], [], [], []
        for index, value in enumerate(self.inputs):
            name = f"x{index}" if isinstance(value, Input) else f"c{index}"
            if value is None:
                names.append("")
            elif isinstance(value, Input):
                shape, node, constants = _before(name, value, context)
                graph_inputs.append(helper.make_tensor_value_info(name, _element_type(value.dtype), shape))
                nodes += node
                initializers += constants
                names.append(f"{name}_{context}" if node else name)
            else:
                initializers.append(numpy_helper.from_array(value, name))
                names.append(name)
        outputs = [f"y{i}" for i in range(self.outputs)]
        made = [f"{name}_under_test" for name in outputs] if context == "tied" else outputs
        nodes.append(helper.make_node(self.op_type, names, made, name="under_test", **self.attributes))
        if context == "tied":
            nodes.append(helper.make_node("Transpose", [initializers[0].name], ["transposed"], perm=[1, 0]))
            nodes.append(helper.make_node("MatMul", [*made, "transposed"], outputs))
        graph_outputs = [onnx.ValueInfoProto(name=name) for name in outputs[: self.used or self.outputs]]
        graph = helper.make_graph(nodes, "case", graph_inputs, graph_outputs, initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=10)
        return onnx.shape_inference.infer_shapes(model)

    def __str__(self) -> str:
        shown = ", ".join(
            "-" if v is None else f"{v.dtype}{list(v.shape)}".replace("'", "") + ("" if isinstance(v, Input) else "*")
            for v in self.inputs
        )
        attributes = ", ".join(f"{k}={v}" for k, v in self.attributes.items())
        return f"{self.op_type}({shown}; {attributes}){' ' + self.note if self.note else ''}"


def case(op_type: str, *inputs: Input | Array | None, **attributes: Any) -> Case:
    """A case; the fields of `Case` may be given among the attributes with a leading underscore: `_outputs=2`."""
    fields = {name[1:]: attributes.pop(name) for name in list(attributes) if name.startswith("_")}
    if isinstance(fields.get("contexts"), str):
        fields["contexts"] = (fields["contexts"],)
    return Case(op_type, inputs, attributes, **fields)


def _before(name: str, value: Input, context: str) -> tuple[list[Any], list[Any], list[Any]]:
    """The input's shape, and the node that makes the value of it: none, a Transpose or a convolution."""
    shape = list(value.shape)
    rank = len(shape)
    if context == "turned" and value.can_turn:
        perm = [0, rank - 1, *range(1, rank - 1)]
        node = helper.make_node("Transpose", [name], [f"{name}_turned"], perm=perm)
        return [shape[0], *shape[2:], shape[1]], [node], []
    if context == "conv" and value.can_convolve:
        channels = shape[1]
        kernel = np.eye(channels, dtype=np.float32).reshape(channels, channels, *[1] * (rank - 2))
        node = helper.make_node("Conv", [name, f"{name}_kernel"], [f"{name}_conv"])
        return shape, [node], [numpy_helper.from_array(kernel, f"{name}_kernel")]
    return shape, [], []


def numbers(shape: tuple[int, ...], dtype: str, draw: str, seed: int) -> Array:
    """Random numbers of a kind, seeded.

    normal: of integers -9 … 9, of booleans both; small: -2 … 2 (ties); unit: (-0.95, 0.95); positive: 0.2 … 3, integers
    1 … 9; above_one; nonzero: both signs, at least 0.5; distinct: no two are equal; halves: multiples of 1/2;
    special: NaN, infinities and zeros of both signs; index:N: -N … N-1; below:N: 0 … N-1.
    """
    generator = np.random.default_rng(seed)
    kind = np.dtype(dtype).kind
    if draw.startswith(("index:", "below:")):
        size = int(draw.split(":")[1])
        return generator.integers(-size if draw.startswith("index") else 0, size, shape).astype(dtype)
    if kind == "b":
        return generator.integers(0, 2, shape).astype(bool)
    if kind in "iu":
        return _integers(generator, shape, draw, kind == "u").astype(dtype)
    return np.asarray(_floats(generator, shape, draw)).astype(dtype)


def _integers(generator: np.random.Generator, shape: tuple[int, ...], draw: str, unsigned: bool) -> Array:
    if draw == "distinct":
        return generator.permutation(int(np.prod(shape))).reshape(shape)
    low, high = {"positive": (1, 10), "small": (-2, 3), "nonzero": (1, 10)}.get(draw, (-9, 10))
    found = generator.integers(max(low, 0) if unsigned else low, high, shape)
    return found * generator.choice([1] if unsigned else [-1, 1], shape) if draw == "nonzero" else found


def _floats(generator: np.random.Generator, shape: tuple[int, ...], draw: str) -> Any:
    if draw == "unit":
        return generator.uniform(-0.95, 0.95, shape)
    if draw == "positive":
        return generator.uniform(0.2, 3.0, shape)
    if draw == "above_one":
        return generator.uniform(1.05, 4.0, shape)
    if draw == "nonzero":
        return generator.uniform(0.5, 3.0, shape) * generator.choice([-1, 1], shape)
    if draw == "distinct":
        return (generator.permutation(int(np.prod(shape))).reshape(shape) - np.prod(shape) / 2) / 8
    if draw == "small":
        return generator.integers(-2, 3, shape)
    if draw == "halves":
        return generator.integers(-9, 10, shape) / 2
    if draw == "special":
        return generator.choice([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5, -2.5], shape)
    if draw == "large":
        return generator.standard_normal(shape) * 30
    return generator.standard_normal(shape)


def _element_type(dtype: str) -> int:
    return TensorProto.BFLOAT16 if dtype == "bfloat16" else helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
