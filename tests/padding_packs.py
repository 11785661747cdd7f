"""The cases of padding_cases.py as graphs, and what they mean in a form that leaves nothing to interpret.

Cases that read the same input are packed into one `Pack`: one graph with one input and an output per case, so that a
session or a Keras model serves many. Static packs have the input's size in the graph; dynamic ones have `d0`, `d1`, …
instead, and `run_sizes` to try. The reference of a case is the operator itself in onnxruntime, or, where onnxruntime is
known to refuse it or to be wrong, its form with explicit Pad nodes, made for the size at hand.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.padding_cases import CHANNELS, LARGE, SEED, SIZES, SMALL, Case, Ints, cases


@dataclass(frozen=True)
class Pack:
    """Cases that read one input. `run_sizes` are the spatial sizes to try: one for static packs."""

    name: str
    cases: tuple[Case, ...]
    sizes: Ints | None
    run_sizes: tuple[Ints, ...]

    def model(self) -> onnx.ModelProto:
        rank = self.cases[0].rank
        spatial = self.sizes or tuple(f"d{axis}" for axis in range(rank))
        graph = _Graph(("batch", CHANNELS, *spatial))
        return graph.model([graph.operator(case, "x") for case in self.cases])

    def reference(self, sizes: Ints) -> onnx.ModelProto:
        """What the cases mean at these sizes, in a form that onnxruntime gets right."""
        graph = _Graph(("batch", CHANNELS, *sizes))
        return graph.model(
            [graph.explicit(case, "x", sizes) if refused(case) else graph.operator(case, "x") for case in self.cases]
        )

    def feeds(self, sizes: Ints) -> dict[str, np.ndarray]:
        """Negative as well as positive numbers: a pad of 0 that should be -inf shows."""
        x = np.random.default_rng(SEED).standard_normal((2, CHANNELS, *sizes), np.float32)
        return {"x": x - np.float32(1.5)}


def refused(case: Case) -> bool:
    """What onnxruntime 1.31 refuses or gets wrong; see numerics.md, "The oracle has faults too"."""
    dilated, same = max(case.dilations) > 1, case.auto_pad.startswith("SAME")
    if case.op_type == "Conv":
        return (same and dilated) or min(case.pads, default=0) < 0
    if case.op_type == "ConvTranspose":
        return any(o >= s for o, s in zip(case.output_padding, case.strides, strict=False))
    return same and (dilated or any(k < s for k, s in zip(case.kernel, case.strides, strict=True)))


class _Graph:
    """Collects nodes and initializers."""

    def __init__(self, shape: tuple[int | str, ...]) -> None:
        self.input = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def model(self, outputs: list[str]) -> onnx.ModelProto:
        values = [helper.make_empty_tensor_value_info(name) for name in outputs]
        for value in values:
            value.type.tensor_type.elem_type = TensorProto.FLOAT
        graph = helper.make_graph(self.nodes, "pack", [self.input], values, self.initializers)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=10)

    def node(self, op_type: str, inputs: list[str | np.ndarray], **attributes: Any) -> str:
        names = [value if isinstance(value, str) else self._constant(value) for value in inputs]
        output = f"{op_type.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op_type, names, [output], name=f"node_{output}", **attributes))
        return output

    def _constant(self, array: np.ndarray) -> str:
        name = f"constant_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def operator(self, case: Case, x: str) -> str:
        return self.node(case.op_type, [x, *case.weights()], **case.attributes())

    def explicit(self, case: Case, x: str, sizes: Ints) -> str:
        """Pad and the operator without any padding, straight from the definitions."""
        if case.op_type == "ConvTranspose":
            return self._explicit_transpose(case, x, sizes)
        axes = [_padding(case, axis, size) for axis, size in enumerate(sizes)]
        kept = {"pads": (), "auto_pad": "NOTSET", "ceil_mode": 0, "count_include_pad": 0}
        plain = replace(case, **kept)
        lowest = -np.inf if case.op_type == "MaxPool" else 0.0
        y = self.operator(plain, self._pad(x, [(b, e + over) for b, e, over in axes], lowest))
        if case.op_type != "AveragePool":
            return y
        ones = self.node("Div", [x, x])
        ones = self._pad(ones, [(b, e) for b, e, _ in axes], float(case.count_include_pad))
        counted = self.operator(plain, self._pad(ones, [(0, over) for _, _, over in axes], 0.0))
        return self.node("Div", [y, counted])

    def _explicit_transpose(self, case: Case, x: str, sizes: Ints) -> str:
        """The full result, as many zeros around it as are asked for, and the bias last."""
        plain = replace(case, pads=(), auto_pad="NOTSET", output_padding=(), output_shape=(), bias=False)
        y = self._pad(self.operator(plain, x), [_reach(case, axis, size) for axis, size in enumerate(sizes)], 0.0)
        return self.node("Add", [y, case.weights()[1].reshape(-1, *[1] * case.rank)]) if case.bias else y

    def _pad(self, x: str, pads: list[tuple[int, int]], value: float) -> str:
        if not any(b or e for b, e in pads):
            return x
        flat = [0, 0, *(b for b, _ in pads), 0, 0, *(e for _, e in pads)]
        return self.node("Pad", [x, np.asarray(flat, np.int64), np.asarray(value, np.float32)])


def _padding(case: Case, axis: int, size: int) -> tuple[int, int, int]:
    """Before, after, and the overhang of ceil mode behind that."""
    extent, stride = case.extents[axis], case.strides[axis]
    if case.auto_pad.startswith("SAME"):
        total = max(0, (-(-size // stride) - 1) * stride + extent - size)
        small, large = total // 2, total - total // 2
        return (small, large, 0) if case.auto_pad == "SAME_UPPER" else (large, small, 0)
    begin, end = case.pads_on(axis)
    if not case.ceil_mode:
        return begin, end, 0
    count = -(-(size + begin + end - extent) // stride) + 1
    if (count - 1) * stride >= size + begin:
        count -= 1
    return begin, end, max(0, (count - 1) * stride + extent - size - begin - end)


def _reach(case: Case, axis: int, size: int) -> tuple[int, int]:
    """How far the result of a ConvTranspose goes beyond the full one at both ends; negative where it is cropped."""
    full = case.strides[axis] * (size - 1) + case.extents[axis]
    more = case.output_padding[axis] if case.output_padding else 0
    begin, end = case.pads_on(axis)
    if case.output_shape or case.auto_pad.startswith("SAME"):
        wanted = case.output_shape[axis] if case.output_shape else case.strides[axis] * size
        total = max(0, full + more - wanted)
        begin = total // 2 if case.auto_pad == "SAME_UPPER" else -(-total // 2)
        end = total - begin
        if case.output_shape:
            more = max(more, wanted - full + begin + end)
    return -begin, more - end


@cache
def packs(limit: int = 64) -> tuple[Pack, ...]:
    """All cases, in packs of at most `limit`."""
    grouped: dict[tuple[int, Ints | None, int], list[Case]] = defaultdict(list)
    for case in dict.fromkeys(cases()):
        start = 0 if case.sizes else SMALL if max(case.least_sizes) <= SMALL else LARGE
        grouped[case.rank, case.sizes, start].append(case)
    found = []
    for (rank, sizes, start), members in grouped.items():
        size = "x".join(map(str, sizes)) if sizes else f"dynamic_from_{start}"
        for first in range(0, len(members), limit):
            name = f"{rank}d-{size}-{first // limit}"
            run_sizes = (sizes,) if sizes else _run_sizes(rank, start)
            found.append(Pack(name, tuple(members[first : first + limit]), sizes, run_sizes))
    return tuple(found)


def _run_sizes(rank: int, start: int) -> tuple[Ints, ...]:
    """Sizes whose axes differ and that have every remainder by 2 and by 3."""
    span = SIZES[-1] + 1 - start
    return tuple(tuple(start + (first + 5 * axis) % span for axis in range(rank)) for first in (0, 1, 2, 3, span - 1))
