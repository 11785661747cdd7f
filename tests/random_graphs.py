"""Random graphs of operators that move, split, merge and combine axes, as a hypothesis strategy.

Every dimension is a number, or a number times the batch, which is a symbol. What is drawn is small, so that a failure
shrinks to a graph that can be read.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import helper, numpy_helper

BATCH = "batch"
UNARY = (
    "Abs", "Asinh", "Atan", "Celu", "Clip", "Cos", "Elu", "Erf", "Gelu", "HardSigmoid", "HardSwish", "Identity",
    "LeakyRelu", "Mish", "Neg", "Relu", "Selu", "Sigmoid", "Sin", "Softplus", "Softsign", "Tanh",
)  # fmt: skip
BOUNDED = ("Acos", "Asin", "Atanh", "Cosh", "Exp", "Log", "Reciprocal", "Sinh", "Sqrt", "Tan")
"""Taken of a sigmoid: elsewhere they are not defined, or grow beyond what can be compared."""
BINARY = ("Add", "Sub", "Mul", "Max", "Min", "Mean", "Sum")
COMPARISONS = ("Greater", "GreaterOrEqual", "Less", "LessOrEqual")
LOGICAL = ("And", "Or", "Xor")
ALONG = ("Softmax", "LogSoftmax", "CumSum", "LpNormalization")
REDUCTIONS = ("ReduceMean", "ReduceMax", "ReduceSum", "ReduceMin", "ReduceL1", "ReduceLogSumExp", "ReduceSumSquare")
MOST_ELEMENTS = 4000


@dataclass(frozen=True)
class Tensor:
    """A value: its sizes, and the axis that has the batch as a factor (None: nowhere)."""

    name: str
    sizes: tuple[int, ...]
    batch: int | None

    @property
    def rank(self) -> int:
        return len(self.sizes)

    def static(self) -> list[int]:
        """Axes whose size is a number."""
        return [a for a in range(self.rank) if a != self.batch]


class Drawing:
    """Collects nodes. Each method draws one operator and returns its result, or None where there is nothing to do."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.nodes: list[onnx.NodeProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.values: list[Tensor] = []

    def pick(self, options: Any) -> Any:
        return self.draw(st.sampled_from(list(options)))

    def whole(self, low: int, high: int) -> int:
        return int(self.draw(st.integers(low, high)))

    def node(self, op_type: str, inputs: list[str], sizes: Any, batch: int | None, **attributes: Any) -> Tensor:
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op_type, inputs, [name], name=f"n{len(self.nodes)}", **attributes))
        return Tensor(name, tuple(sizes), batch)

    def constant(self, array: np.ndarray) -> str:
        name = f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def ints(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def numbers(self, *sizes: int) -> str:
        count = len(self.initializers)
        return self.constant(np.random.default_rng(count).standard_normal(sizes).astype(np.float32))

    def input(self, sizes: list[int]) -> Tensor:
        name = f"x{len(self.inputs)}"
        shape = [BATCH, *sizes]
        self.inputs.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape))
        return Tensor(name, (1, *sizes), 0)

    def transpose(self, x: Tensor) -> Tensor | None:
        if not x.rank:  # onnx.helper does not write an attribute without entries
            return None
        perm = self.draw(st.permutations(range(x.rank)))
        batch = None if x.batch is None else perm.index(x.batch)
        return self.node("Transpose", [x.name], [x.sizes[p] for p in perm], batch, perm=perm)

    def reshape(self, x: Tensor) -> Tensor | None:
        """The factors of the sizes, in order, in other groups."""
        factors: list[int | None] = []
        for axis, size in enumerate(x.sizes):
            factors += [None] if axis == x.batch else []
            factors += _prime_factors(size)
        groups: list[list[int | None]] = [[]]
        for factor in factors:
            if groups[-1] and self.draw(st.booleans()):
                groups.append([])
            groups[-1].append(factor)
        for _ in range(self.whole(0, 1)):
            groups.insert(self.whole(0, len(groups)), [])
        if len(groups) > 5:
            return None
        sizes = [prod(f for f in group if f is not None) for group in groups]
        batch = next((i for i, group in enumerate(groups) if None in group), None)
        target = [-1 if i == batch else size for i, size in enumerate(sizes)]
        return self.node("Reshape", [x.name, self.ints(*target)], sizes, batch)

    def unsqueeze(self, x: Tensor) -> Tensor | None:
        if x.rank >= 5:
            return None
        axis = self.whole(0, x.rank)
        sizes = [*x.sizes[:axis], 1, *x.sizes[axis:]]
        batch = None if x.batch is None else x.batch + (axis <= x.batch)
        return self.node("Unsqueeze", [x.name, self.ints(axis)], sizes, batch)

    def squeeze(self, x: Tensor) -> Tensor | None:
        ones = [a for a in x.static() if x.sizes[a] == 1]
        if not ones:
            return None
        axis = self.pick(ones)
        return self.node("Squeeze", [x.name, self.ints(axis)], _without(x.sizes, axis), _shifted(x.batch, axis))

    def like(self, op_type: str, x: Tensor, *others: str, **attributes: Any) -> Tensor:
        """A node whose result has the axes of x."""
        return self.node(op_type, [x.name, *others], x.sizes, x.batch, **attributes)

    def beside(self, x: Tensor) -> str:
        """Numbers that broadcast to x and are no function of it: they equal nothing that is computed."""
        return self.numbers(*(1 if a == x.batch else s for a, s in enumerate(x.sizes)))

    def unary(self, x: Tensor) -> Tensor | None:
        return self.like(self.pick(UNARY), x)

    def dropout(self, x: Tensor) -> Tensor | None:
        """Which does nothing here, and is no reason to move an axis."""
        return self.like("Dropout", x, self.constant(np.array(0.25, np.float32)))

    def bounded(self, x: Tensor) -> Tensor | None:
        return self.like(self.pick(BOUNDED), self.between(x))

    def between(self, x: Tensor) -> Tensor:
        """Numbers from 1/4 to 3/4: at 0 and 1 logarithms, powers and quotients have slopes that let two right answers
        differ by anything."""
        half = self.like("Mul", self.like("Sigmoid", x), self.constant(np.array(0.5, np.float32)))
        return self.like("Add", half, self.constant(np.array(0.25, np.float32)))

    def ratio(self, x: Tensor) -> Tensor | None:
        """Quotients and powers of what is positive."""
        positive = self.between(x)
        if self.draw(st.booleans()):
            return self.like("Div", x, positive.name)
        return self.like("Pow", positive, self.beside(x))

    def choice(self, x: Tensor) -> Tensor | None:
        """Where one comparison and another hold, x; elsewhere a number."""
        first = self.like(self.pick(COMPARISONS), x, self.beside(x))
        if self.draw(st.booleans()):
            second = self.like(self.pick(COMPARISONS), x, self.beside(x))
            first = self.like(self.pick(LOGICAL), first, second.name)
        if self.draw(st.booleans()):
            first = self.like("Not", first)
        if self.draw(st.booleans()):
            return self.like("Cast", first, to=onnx.TensorProto.FLOAT)
        return self.like("Where", first, x.name, self.numbers())

    def prelu(self, x: Tensor) -> Tensor | None:
        """With a slope for each channel, or one for all."""
        has_channels = x.batch == 0 and x.rank >= 2
        return self.like("PRelu", x, self.numbers(*([x.sizes[1], *[1] * (x.rank - 2)] if has_channels else [1])))

    def binary(self, x: Tensor) -> Tensor | None:
        """With another value that broadcasts, or with a constant, on either side."""
        partners = [y for y in self.values if _broadcasts(x, y)]
        if partners and self.draw(st.booleans()):
            y = self.pick(partners)
            sizes, batch = _joint(x, y)
            names = [x.name, y.name]
        else:
            kept = self.whole(0, x.rank)
            shape = [
                x.sizes[a] if a != x.batch and self.draw(st.booleans()) else 1 for a in range(x.rank - kept, x.rank)
            ]
            sizes, batch, names = list(x.sizes), x.batch, [x.name, self.numbers(*shape)]
        return self.node(self.pick(BINARY), self.draw(st.permutations(names)), sizes, batch)

    def concat(self, x: Tensor) -> Tensor | None:
        """With itself, a sibling or a constant."""
        if not x.static():
            return None
        axis = self.pick(x.static())
        siblings = [
            y for y in self.values
            if y.rank == x.rank and y.batch == x.batch and _without(y.sizes, axis) == _without(x.sizes, axis)
        ]  # fmt: skip
        if x.batch is None and self.draw(st.booleans()):
            size = self.whole(1, 3)
            names = [x.name, self.numbers(*x.sizes[:axis], size, *x.sizes[axis + 1 :])]
        else:
            y = self.pick([x, *siblings])
            size, names = y.sizes[axis], [x.name, y.name]
        sizes = [*x.sizes[:axis], x.sizes[axis] + size, *x.sizes[axis + 1 :]]
        return self.node("Concat", self.draw(st.permutations(names)), sizes, x.batch, axis=axis)

    def slice(self, x: Tensor) -> Tensor | None:
        axes = [a for a in x.static() if x.sizes[a] > 1]
        if not axes:
            return None
        axis = self.pick(axes)
        start = self.whole(0, x.sizes[axis] - 1)
        end, step = self.whole(start + 1, x.sizes[axis]), self.whole(1, 2)
        size = len(range(start, end, step))
        inputs = [x.name, self.ints(start), self.ints(end), self.ints(axis), self.ints(step)]
        return self.node("Slice", inputs, [*x.sizes[:axis], size, *x.sizes[axis + 1 :]], x.batch)

    def split(self, x: Tensor) -> Tensor | None:
        """The second of two parts; the first is a value too."""
        axes = [a for a in x.static() if x.sizes[a] > 1]
        if not axes:
            return None
        axis = self.pick(axes)
        first = self.whole(1, x.sizes[axis] - 1)
        name = f"v{len(self.nodes)}"
        parts = [first, x.sizes[axis] - first]
        outputs = [
            Tensor(f"{name}_{i}", (*x.sizes[:axis], p, *x.sizes[axis + 1 :]), x.batch) for i, p in enumerate(parts)
        ]
        inputs = [x.name, self.ints(*parts)]
        self.nodes.append(helper.make_node("Split", inputs, [o.name for o in outputs], name=name, axis=axis))
        self.values.append(outputs[0])
        return outputs[1]

    def pad(self, x: Tensor) -> Tensor | None:
        if not x.static():
            return None
        axis, before, after = self.pick(x.static()), self.whole(0, 2), self.whole(0, 2)
        pads = [before if a == axis else 0 for a in range(x.rank)] + [after if a == axis else 0 for a in range(x.rank)]
        sizes = [s + (before + after) * (a == axis) for a, s in enumerate(x.sizes)]
        return self.node("Pad", [x.name, self.ints(*pads)], sizes, x.batch, mode=self.pick(("constant", "edge")))

    def along(self, x: Tensor) -> Tensor | None:
        if not x.static():
            return None
        op_type, axis = self.pick(ALONG), self.pick(x.static())
        if op_type == "CumSum":
            return self.like(op_type, x, self.constant(np.array(axis, np.int64)), reverse=self.whole(0, 1))
        return self.like(op_type, x, axis=axis)

    def arg_max(self, x: Tensor) -> Tensor | None:
        """Of x and numbers, so that no two are nearly the same."""
        if not x.static() or x.rank < 2:
            return None
        axis, keep = self.pick(x.static()), self.whole(0, 1)
        apart = self.like("Add", x, self.beside(x))
        sizes = [*x.sizes[:axis], 1, *x.sizes[axis + 1 :]] if keep else _without(x.sizes, axis)
        batch = x.batch if keep else _shifted(x.batch, axis)
        found = self.node(self.pick(("ArgMax", "ArgMin")), [apart.name], sizes, batch, axis=axis, keepdims=keep)
        return self.like("Cast", found, to=onnx.TensorProto.FLOAT)

    def gather_elements(self, x: Tensor) -> Tensor | None:
        """At places that are computed: the first or the second half of each example's range."""
        if x.batch is None or not x.static():
            return None
        axis = self.pick(x.static())
        large = self.like("Greater", x, self.beside(x))
        places = self.like("Cast", large, to=onnx.TensorProto.INT64)
        limit = self.ints(x.sizes[axis] - 1)
        return self.like("GatherElements", x, self.like("Min", places, limit).name, axis=axis)

    def positions(self, x: Tensor) -> Tensor | None:
        """x and the positions along an axis, counted from the size that is read at run time."""
        if x.batch is None or not x.static() or x.rank > 4:
            return None
        axis = self.pick(x.static())
        size = self.node("Shape", [x.name], [1], None, start=axis, end=axis + 1)
        number = self.node("Squeeze", [size.name], [], None)
        start = self.whole(0, 2)
        end = self.node("Add", [number.name, self.constant(np.array(start, np.int64))], [], None)
        first, step = (self.constant(np.array(value, np.int64)) for value in (start, 1))
        counted = self.node("Range", [first, end.name, step], [x.sizes[axis]], None)
        numbers = self.like("Cast", counted, to=onnx.TensorProto.FLOAT)
        shape = self.ints(*(x.sizes[axis] if a == axis else 1 for a in range(x.rank)))
        placed = self.node("Reshape", [numbers.name, shape], [1] * x.rank, None)
        return self.like("Add", x, placed.name)

    def reduce(self, x: Tensor) -> Tensor | None:
        if not x.static() or x.rank < 2:
            return None
        axes = sorted(self.draw(st.sets(st.sampled_from(x.static()), min_size=1)))
        keep = self.whole(0, 1)
        sizes, batch = list(x.sizes), x.batch
        for axis in reversed(axes):
            if keep:
                sizes[axis] = 1
            else:
                sizes, batch = _without(sizes, axis), _shifted(batch, axis)
        return self.node(self.pick(REDUCTIONS), [x.name, self.ints(*axes)], sizes, batch, keepdims=keep)

    def gather(self, x: Tensor) -> Tensor | None:
        if not x.static():
            return None
        axis = self.pick(x.static())
        size = x.sizes[axis]
        if self.draw(st.booleans()) and x.rank > 1:
            index = self.constant(np.array(self.whole(-size, size - 1), np.int64))
            return self.node("Gather", [x.name, index], _without(x.sizes, axis), _shifted(x.batch, axis), axis=axis)
        indices = self.draw(st.lists(st.integers(-size, size - 1), min_size=1, max_size=4))
        sizes = [*x.sizes[:axis], len(indices), *x.sizes[axis + 1 :]]
        if x.rank < 5 and self.draw(st.booleans()):  # a table of them, or a list that torch says so of the first axis
            table = self.constant(np.array(indices, np.int64).reshape(-1, 1))
            if axis == 0:
                return self.node("GatherND", [x.name, table], sizes, x.batch)
            batch = None if x.batch is None else x.batch + (x.batch > axis)
            sizes.insert(axis + 1, 1)
            return self.node("Gather", [x.name, table], sizes, batch, axis=axis)
        return self.node("Gather", [x.name, self.ints(*indices)], sizes, x.batch, axis=axis)

    def expand(self, x: Tensor) -> Tensor | None:
        """Axes of size 1 grow, and one may come in front."""
        more = self.whole(0, 1) if x.rank < 5 else 0
        grown = [2 if s == 1 and a != x.batch and self.draw(st.booleans()) else 1 for a, s in enumerate(x.sizes)]
        target = [2] * more + grown
        sizes = [2] * more + [max(a, b) for a, b in zip(x.sizes, grown, strict=True)]
        return self.node("Expand", [x.name, self.ints(*target)], sizes, None if x.batch is None else x.batch + more)

    def _size_of_batch(self, sizes: Any) -> str:
        """Computed: the batch, and these numbers."""
        batch = self.node("Shape", ["x0"], [1], None, start=0, end=1)
        return self.node("Concat", [batch.name, self.ints(*sizes)], [1 + len(sizes)], None, axis=0).name

    def expand_batch(self, x: Tensor) -> Tensor | None:
        """What has no batch, once for each example."""
        if x.batch is not None or x.rank > 4:
            return None
        return self.node("Expand", [x.name, self._size_of_batch(x.sizes)], [1, *x.sizes], 0)

    def filled(self, x: Tensor) -> Tensor | None:
        """Numbers of a computed shape, and the value beside them."""
        if x.batch != 0 or x.sizes[0] != 1 or x.rank < 2:
            return None
        value = numpy_helper.from_array(np.array([0.5], np.float32))
        made = self.node("ConstantOfShape", [self._size_of_batch(x.sizes[1:])], x.sizes, 0, value=value)
        return self.node("Concat", [x.name, made.name], [*x.sizes[:-1], 2 * x.sizes[-1]], 0, axis=x.rank - 1)

    def conv(self, x: Tensor) -> Tensor | None:
        if not self.is_image(x):
            return None
        out = self.whole(1, 4)
        kernel = self.numbers(out, x.sizes[1], *[1] * (x.rank - 2))
        return self.node("Conv", [x.name, kernel], [1, out, *x.sizes[2:]], 0)

    def pool(self, x: Tensor) -> Tensor | None:
        if not self.is_image(x):
            return None
        if self.draw(st.booleans()):
            kind = self.pick(("GlobalAveragePool", "GlobalMaxPool"))
            return self.node(kind, [x.name], [1, x.sizes[1], *[1] * (x.rank - 2)], 0)
        kernel = [min(2, s) for s in x.sizes[2:]]
        sizes = [1, x.sizes[1], *(s - k + 1 for s, k in zip(x.sizes[2:], kernel, strict=True))]
        return self.node(self.pick(("MaxPool", "AveragePool")), [x.name], sizes, 0, kernel_shape=kernel)

    def is_image(self, x: Tensor) -> bool:
        return 3 <= x.rank <= 5 and x.batch == 0 and x.sizes[0] == 1

    def conv_transpose(self, x: Tensor) -> Tensor | None:
        if not self.is_image(x):
            return None
        out, stride = self.whole(1, 3), self.whole(1, 2)
        kernel = self.numbers(x.sizes[1], out, *[2] * (x.rank - 2))
        sizes = [1, out, *((s - 1) * stride + 2 for s in x.sizes[2:])]
        return self.node("ConvTranspose", [x.name, kernel], sizes, 0, strides=[stride] * (x.rank - 2))

    def batch_norm(self, x: Tensor) -> Tensor | None:
        """Over axis 1, whatever it is."""
        if x.rank < 2 or x.batch == 1:
            return None
        scale, bias, mean = (self.numbers(x.sizes[1]) for _ in range(3))
        variance = self.constant(np.linspace(0.5, 2.0, x.sizes[1], dtype=np.float32))
        return self.like("BatchNormalization", x, scale, bias, mean, variance)

    def image_norm(self, x: Tensor) -> Tensor | None:
        if not self.is_image(x) or prod(x.sizes[2:]) < 2:
            return None
        scale, bias = self.numbers(x.sizes[1]), self.numbers(x.sizes[1])
        kind = self.whole(0, 2)
        if kind == 0:
            return self.like("InstanceNormalization", x, scale, bias, epsilon=0.1)
        if kind == 1:
            groups = self.pick([g for g in range(1, x.sizes[1] + 1) if x.sizes[1] % g == 0])
            return self.like("GroupNormalization", x, scale, bias, epsilon=0.1, num_groups=groups)
        return self.like("LRN", x, size=3) if x.rank == 4 else None

    def blocks(self, x: Tensor) -> Tensor | None:
        """From the channels to the image, or back."""
        if not self.is_image(x) or x.rank != 4:
            return None
        _, channels, height, width = x.sizes
        if channels % 4 == 0 and self.draw(st.booleans()):
            sizes = [1, channels // 4, 2 * height, 2 * width]
            return self.node("DepthToSpace", [x.name], sizes, 0, blocksize=2, mode=self.pick(("DCR", "CRD")))
        if height % 2 or width % 2:
            return None
        return self.node("SpaceToDepth", [x.name], [1, 4 * channels, height // 2, width // 2], 0, blocksize=2)

    def resize(self, x: Tensor) -> Tensor | None:
        if not self.is_image(x) or x.rank != 4:
            return None
        wider = self.pick((1, 3))
        scales = self.constant(np.array([1, 1, 2, wider], np.float32))
        mode, way = self.pick((("nearest", "asymmetric"), ("linear", "half_pixel")))
        attributes = {"mode": mode, "coordinate_transformation_mode": way, "nearest_mode": "floor"}
        sizes = [1, x.sizes[1], 2 * x.sizes[2], wider * x.sizes[3]]
        return self.node("Resize", [x.name, "", scales], sizes, 0, **attributes)

    def grid_sample(self, x: Tensor) -> Tensor | None:
        """At places that are computed from the image itself, inside of it."""
        if not self.is_image(x) or x.rank != 4 or x.sizes[1] < 2:
            return None
        two = self.node("Slice", [x.name, self.ints(0), self.ints(2), self.ints(1)], [1, 2, *x.sizes[2:]], 0)
        last = self.node("Transpose", [self.like("Tanh", two).name], [1, *x.sizes[2:], 2], 0, perm=[0, 2, 3, 1])
        return self.node("GridSample", [x.name, last.name], x.sizes, 0, padding_mode="border")

    def gemm(self, x: Tensor) -> Tensor | None:
        """Behind a Flatten: the rows of the weights are the elements of an example."""
        if x.batch != 0 or x.sizes[0] != 1 or x.rank < 2:
            return None
        elements, out = prod(x.sizes), self.whole(1, 3)
        flat = self.node("Flatten", [x.name], [1, elements], 0)
        weights = self.numbers(out, elements), self.numbers(out)
        return self.node("Gemm", [flat.name, *weights], [1, out], 0, transB=1)

    def attention(self, x: Tensor) -> Tensor | None:
        """Of a tensor with itself, [batch, heads, length, size]."""
        if x.rank != 4 or x.batch != 0 or x.sizes[0] != 1:
            return None
        return self.like("Attention", x, x.name, x.name)

    def dense(self, x: Tensor) -> Tensor | None:
        if x.rank < 2 or x.batch == x.rank - 1:
            return None
        out = self.whole(1, 4)
        return self.node("MatMul", [x.name, self.numbers(x.sizes[-1], out)], [*x.sizes[:-1], out], x.batch)

    def matmul(self, x: Tensor) -> Tensor | None:
        """With its own transpose."""
        if x.rank < 2 or (x.batch is not None and x.batch >= x.rank - 2):
            return None
        perm = [*range(x.rank - 2), x.rank - 1, x.rank - 2]
        turned = self.node("Transpose", [x.name], [x.sizes[p] for p in perm], x.batch, perm=perm)
        return self.node("MatMul", [x.name, turned.name], [*x.sizes[:-1], x.sizes[-2]], x.batch)

    def einsum(self, x: Tensor) -> Tensor | None:
        """Sum over some axes, with the others in another order; or the same of a product with itself."""
        if not x.rank:
            return None
        letters = "abcde"[: x.rank]
        kept = self.draw(st.permutations(range(x.rank)))[: self.whole(1, x.rank)]
        batch = kept.index(x.batch) if x.batch in kept else None
        copies = self.whole(1, 2)
        equation = f"{','.join([letters] * copies)}->{''.join(letters[a] for a in kept)}"
        return self.node("Einsum", [x.name] * copies, [x.sizes[a] for a in kept], batch, equation=equation)

    def tile(self, x: Tensor) -> Tensor | None:
        repeats = [1 if a == x.batch else self.whole(1, 2) for a in range(x.rank)]
        return self.node(
            "Tile", [x.name, self.ints(*repeats)], [s * r for s, r in zip(x.sizes, repeats, strict=True)], x.batch
        )

    def top_k(self, x: Tensor) -> Tensor | None:
        if not x.static():
            return None
        axis = self.pick(x.static())
        size = self.whole(1, x.sizes[axis])
        name = f"v{len(self.nodes)}"
        inputs = [x.name, self.ints(size)]
        self.nodes.append(helper.make_node("TopK", inputs, [name, f"{name}_at"], name=f"n{len(self.nodes)}", axis=axis))
        return Tensor(name, (*x.sizes[:axis], size, *x.sizes[axis + 1 :]), x.batch)

    def stack(self, x: Tensor) -> Tensor | None:
        """Copies side by side on a new axis."""
        axis = self.whole(0, x.rank)
        one = self.node("Unsqueeze", [x.name, self.ints(axis)], x.sizes, None)
        sizes = [*x.sizes[:axis], 2, *x.sizes[axis:]]
        batch = None if x.batch is None else x.batch + (axis <= x.batch)
        return self.node("Concat", [one.name, one.name], sizes, batch, axis=axis) if x.rank < 5 else None

    def norm(self, x: Tensor) -> Tensor | None:
        if x.rank < 2 or x.batch == x.rank - 1:
            return None
        first = self.pick([a for a in range(1, x.rank) if x.batch is None or a > x.batch] or [x.rank - 1])
        scale = self.numbers(*x.sizes[self.pick(range(first, x.rank)) :])
        kind = self.pick(("LayerNormalization", "RMSNormalization"))
        return self.like(kind, x, scale, axis=first, epsilon=0.1)


OPERATIONS = (
    "transpose", "reshape", "unsqueeze", "squeeze", "unary", "binary", "concat", "slice", "split", "pad", "along",
    "reduce", "gather", "expand", "conv", "pool", "dense", "matmul", "norm", "einsum", "tile", "top_k", "stack",
    "expand_batch", "filled", "bounded", "ratio", "choice", "prelu", "arg_max", "gather_elements", "positions",
    "conv_transpose", "batch_norm", "image_norm", "blocks", "resize", "grid_sample", "gemm", "attention", "dropout",
)  # fmt: skip


@st.composite
def graphs(draw: Any, most_nodes: int = 8) -> onnx.ModelProto:
    """A graph with one or two inputs and one to three outputs."""
    builder = Drawing(draw)
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    builder.values.append(builder.input(sizes))
    if draw(st.booleans()):
        builder.values.append(builder.input([sizes[0], *sizes[1:][::-1]]))
    x = builder.values[0]
    for _ in range(draw(st.integers(1, most_nodes))):
        result = getattr(builder, draw(st.sampled_from(OPERATIONS)))(x)
        if result is not None and prod(result.sizes) <= MOST_ELEMENTS:
            builder.values.append(result)
            x = result if draw(st.integers(0, 3)) else draw(st.sampled_from(builder.values))
    made = [v for v in builder.values if not v.name.startswith("x")] or [
        builder.node("Relu", [x.name], x.sizes, x.batch)
    ]
    outputs = [made[-1], *draw(st.lists(st.sampled_from(made), max_size=2, unique=True))]
    names = list(dict.fromkeys(o.name for o in outputs))
    graph = helper.make_graph(
        builder.nodes,
        "random",
        builder.inputs,
        [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names],
        builder.initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=10)
    return onnx.shape_inference.infer_shapes(model, data_prop=True)


def _prime_factors(size: int) -> list[int]:
    found = []
    for prime in (2, 3, 5, 7, 11, 13):
        while size % prime == 0:
            found.append(prime)
            size //= prime
    return [*found, size] if size > 1 else found


def _without(sizes: Any, axis: int) -> list[int]:
    return [s for a, s in enumerate(sizes) if a != axis]


def _shifted(batch: int | None, axis: int) -> int | None:
    """Where the batch is when an axis has gone."""
    return None if batch is None else batch - (axis < batch)


def _from_the_end(x: Tensor) -> int | None:
    return None if x.batch is None else x.rank - x.batch


def _broadcasts(x: Tensor, y: Tensor) -> bool:
    """The batch meets the batch or an axis of size 1, other axes those of their size or 1."""
    if None not in (x.batch, y.batch) and _from_the_end(x) != _from_the_end(y):
        return False
    for place in range(1, min(x.rank, y.rank) + 1):
        a, b = x.sizes[-place], y.sizes[-place]
        of_x, of_y = place == _from_the_end(x), place == _from_the_end(y)
        if of_x != of_y:
            if (b if of_x else a) != 1:
                return False
        elif a != b and (1 not in (a, b) or of_x):
            return False
    return True


def _joint(x: Tensor, y: Tensor) -> tuple[list[int], int | None]:
    rank = max(x.rank, y.rank)
    padded = [(1,) * (rank - t.rank) + t.sizes for t in (x, y)]
    place = _from_the_end(x) or _from_the_end(y)
    return [max(pair) for pair in zip(*padded, strict=True)], None if place is None else rank - place
