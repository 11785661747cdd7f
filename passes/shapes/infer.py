"""Give every value an element type and a shape of known rank, and fold the shape arithmetic that this settles.

One forward walk. For each node, in this order:

1. all inputs constant: folded (fold/constants.py); a list of tensors, or an If whose condition is known: replaced by
   what it comes to (fold/sequences.py, fold/if_branch.py);
2. its outputs' shapes by rule (shape_rules), in integers and expressions of the inputs' symbols;
3. what no rule tells, by onnx's inference of that one node (onnx_inference.py);
4. what is still open, from what the file itself says of the value (known_shapes.py);
5. small integer outputs computed from shapes are followed as arrays of dimensions (operator_values). One that turns out
   to be all numbers is a constant after all.

A second walk follows the first time, where sizes turn out to have a least number (fitting.py): shape arithmetic stands
before the windows that say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType

import numpy as np
import onnx_ir as ir

from passes.dims.least import known_sizes
from passes.dims.polynomial import Dim, product
from passes.errors import operator
from passes.fold.constants import ConstantFolder
from passes.fold.if_branch import inline_branch, merge_branches
from passes.fold.kept_branches import keep_branches
from passes.fold.loops.counted import CountedLoop
from passes.fold.loops.grown_states import GrownStates
from passes.fold.loops.kept import LoopKeeper
from passes.fold.loops.unrolled import Unroller
from passes.fold.reference import MALFORMED
from passes.fold.sequences import Sequences
from passes.fold.values import EVALUATORS, NotKnown, evaluate
from passes.graph.builder import FreshNames
from passes.graph.one_number import are_one_number, are_taken_as_scalars, make_scalar, owners_of
from passes.shapes.branches import Choices, Undecided, choose_branches, key_of
from passes.shapes.computed_axes import ComputedAxes
from passes.shapes.fitting import keep_demanded_sizes, keep_sizes_that_fit, runs_whole, sizes_that_fit
from passes.shapes.onnx_inference import ask_onnx
from passes.shapes.rules import DTYPES, RULES, NoRule, Site
from passes.shapes.rules.known_shapes import KnownShapes, Shape
from passes.shapes.settled import settle_inputs

MAX_FOLLOWED = 256
"""An integer tensor of more elements is data, not shape arithmetic."""

Found = tuple[Sequence[Dim | None] | None, ir.DataType | None]


class InferShapes(ir.passes.InPlacePass):
    """Infer and require shapes.

    Given    s = Shape(x);  b = Gather(s, 0);  t = Concat(b, [-1]);  y = Reshape(x, t)      x: float[batch, 16, 7, 7]
    Result   the same, with b: int64[], t: int64[2], y: float[batch, 784]

    Raises BadSource where an input has no rank, Unsupported where an output's rank cannot be told.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        known = sizes_that_fit(model)
        if known is not None:
            return ir.passes.PassResult(model, _walked(model, known))
        ran_whole = runs_whole(model)  # before branches are merged
        modified = _first_walk(model, {} if ran_whole else _choices(model), ran_whole=ran_whole)
        least = keep_sizes_that_fit(model, ran_whole=ran_whole)
        modified |= bool(least) and _walked(model, least)
        return ir.passes.PassResult(model, modified)


def _first_walk(model: ir.Model, choices: Choices, *, ran_whole: bool) -> bool:
    """Walk, and once more where operators settle sizes of inputs."""
    walk = _Inference(model, choices)
    walk.run()
    if walk.shapes.settled and settle_inputs(model, walk.shapes.settled):
        return _first_walk(model, {}, ran_whole=ran_whole) or True
    keep_demanded_sizes(model, walk.shapes.demanded, ran_whole=ran_whole)
    return walk.modified


def _walked(model: ir.Model, least: Mapping[str, int]) -> bool:
    with known_sizes(least):
        walk = _Inference(model)
        walk.run()
    return walk.modified


def _choices(model: ir.Model) -> Choices:
    """Of branches whose ranks differ, those with which all operators can run."""
    return choose_branches(model, lambda copy, choices: _Inference(copy, choices).run())


class _Inference:
    def __init__(self, model: ir.Model, choices: Choices = MappingProxyType({})) -> None:
        self.model = model
        self.choices = choices
        self.particular = 0
        """How many branches run for particular sizes only: such are not computed where they are not taken."""
        self.modified = False
        self.folder = ConstantFolder(model)
        self.shapes = KnownShapes(self._constant_shape)
        self.sequences = Sequences(self.names, self._constant, self.shapes.of)
        self.followed: dict[ir.Value, np.ndarray] = {}
        self._names: FreshNames | None = None

    def names(self) -> FreshNames:
        """The names taken, read when the first new one is needed."""
        if self._names is None:
            self._names = FreshNames(self.model)
        return self._names

    def run(self) -> None:
        for value in self.model.graph.inputs:
            self.shapes.enter(value)
        for node in self.model.graph:
            self._node(node)
        self.shapes.finish()
        self.modified |= self.sequences.finish()
        self.modified |= self.folder.finish() or self.shapes.modified

    def _node(self, node: ir.Node) -> None:
        if self.folder.fold(node):
            return
        if self.sequences.resolve(node) or self._take_branch(node) or self._unroll(node) or self._try_axes(node):
            self.modified = True
            return
        is_if, particular = node.op_type == "If" and node.domain == "", self.particular
        found = self._branches(node) if is_if else self._found(node)
        for output, (shape, dtype) in zip(node.outputs, found, strict=True):
            if output.name or output.uses():
                self.shapes.settle(node, output, shape, dtype)
        if is_if and particular == self.particular and not any(shape is None or None in shape for shape, _ in found):
            merge_branches(node, self.names())  # the walk goes on with the nodes of both
            self.modified = True
            return
        if is_if:
            self._keep(node)
            return
        self._follow(node)

    def _take_branch(self, node: ir.Node) -> bool:
        """An If whose condition is known, or chosen, is the branch it takes; the walk goes on with its nodes."""
        if node.op_type != "If" or node.domain != "":
            return False
        condition, choice = self._constant(node.inputs[0]), self.choices.get(key_of(node))
        if condition is None and choice is None:
            return False
        self.particular += condition is None
        inline_branch(node, bool(choice if condition is None else condition.reshape(-1)[0]), self.names())
        return True

    def _unroll(self, node: ir.Node) -> bool:
        """A loop is its turns, where they are few and known, or one node; the walk goes on with what it is."""
        if node.op_type not in ("Loop", "Scan") or node.domain != "":
            return False
        if CountedLoop(node, self.names(), self._constant, self.shapes.of, self._value).write():
            return True
        if not Unroller(node, self.names(), self._constant, self.shapes.of).unroll():
            told = node, self.names(), self._constant, self.shapes.of
            if not GrownStates(*told, self.sequences.is_empty, self.sequences.take_rows).write():
                LoopKeeper(*told, self._body).keep()
        return True

    def _try_axes(self, node: ir.Node) -> bool:
        """An operator along computed axes is branches, which the walk goes on with."""
        return ComputedAxes(node, self.names, self._constant, self.shapes.of).write()

    def _keep(self, node: ir.Node) -> None:
        """An If of which it is not known before the model runs what it gives is one node."""
        kept = keep_branches(node, self.names(), self._constant, self.shapes.of)
        for old, new in zip(node.outputs, kept.outputs, strict=True):
            self.shapes.take_over(old, new)
        self.modified = True

    def _body(self, graph: ir.Graph) -> None:
        """What a loop computes in a turn. It may have none: that demands nothing of the inputs."""
        settled = dict(self.shapes.settled)
        for value in graph.inputs:
            self.shapes.enter(value)
        for node in graph:
            self._node(node)
        self.shapes.settled = settled

    def _branches(self, node: ir.Node) -> list[Found]:
        """What both branches of an If agree on."""
        graphs = [node.attributes[name].as_graph() for name in ("then_branch", "else_branch")]
        self._enter_branches(graphs)
        found: list[Found] = []
        for place, pair in enumerate(zip(*(graph.outputs for graph in graphs), strict=True)):
            a, b = map(self.shapes.of, pair)
            if a is not None and b is not None and len(a) != len(b) and are_one_number(a, b):
                a, b = self._as_scalars(node.outputs[place], graphs, place) or (a, b)
            if a is None or b is None or len(a) != len(b):
                raise Undecided(node)
            found.append(([x if x == y else None for x, y in zip(a, b, strict=True)], pair[0].dtype))
        return found

    def _as_scalars(self, output: ir.Value, graphs: Sequence[ir.Graph], place: int) -> tuple[Shape, Shape] | None:
        """Both branches give a scalar, where that makes no difference; None where it may."""
        if not are_taken_as_scalars([output], owners_of(self.model)):
            return None
        for graph in graphs:
            if self.shapes.of(graph.outputs[place]):
                self._node(make_scalar(graph, place, self.names()))
        return (), ()

    def _enter_branches(self, graphs: Sequence[ir.Graph]) -> None:
        """Walk both. What one of them alone demands of the inputs does not hold where the other is taken."""
        before = self.shapes.settled
        settled: list[dict[str, Dim]] = []
        for graph in graphs:
            self.shapes.settled = {}
            for inner in graph:
                self._node(inner)
            settled.append(self.shapes.settled)
        common = {name: size for name, size in settled[0].items() if settled[1].get(name) == size}
        self.shapes.settled = common | before
        self.particular += settled != [common, common]

    def _found(self, node: ir.Node) -> Sequence[Found]:
        """Steps 2 and 3."""
        shapes = [self.shapes.of(value) for value in node.inputs]
        found: list[Found] = [(None, None)] * len(node.outputs)
        name = operator(node)
        if name in RULES:
            site = Site(shapes, lambda index: self._value(node.inputs[index]), self.shapes.equate, self.shapes.demand)
            with suppress(NoRule, *MALFORMED):  # onnx may know, or will say what is wrong
                found = [(shape, _dtype(node, index)) for index, shape in enumerate(RULES[name](node, site))]
        if not any(shape is None or dtype is None for shape, dtype in found):
            return found
        answers = ask_onnx(node, shapes, lambda index: self._value(node.inputs[index]))
        return [
            (answer[0] if shape is None else shape, answer[1] if shape is None or dtype is None else dtype)
            for (shape, dtype), answer in zip(found, answers, strict=True)
        ]

    def _constant(self, value: ir.Value | None) -> np.ndarray | None:
        constant = self.folder.constant(value)
        return None if constant is None else constant.numpy()

    def _constant_shape(self, value: ir.Value) -> Shape | None:
        constant = self.folder.constant(value)
        return None if constant is None else constant.shape

    def _value(self, value: ir.Value | None) -> np.ndarray | None:
        """What is known of the contents of a small tensor: numbers, or dimensions."""
        if value is None:
            return None
        followed = self.followed.get(value)
        if followed is not None:
            return followed
        constant = self.folder.constant(value)
        if constant is None or len(constant.shape) > 4 or int(np.prod(constant.shape)) > MAX_FOLLOWED:
            return None
        return constant.numpy()

    def _follow(self, node: ir.Node) -> None:
        """Step 5."""
        arrays = self._computed(node)
        if arrays is None or any(array.size > MAX_FOLLOWED for array in arrays):
            return
        if all(_all_numbers(array) for array in arrays):
            typed = [
                array.astype((output.dtype or ir.DataType.INT64).numpy())
                for array, output in zip(arrays, node.outputs, strict=True)
            ]
            self.folder.record(node, typed)
            return
        self.followed.update(zip(node.outputs, arrays, strict=True))

    def _computed(self, node: ir.Node) -> list[np.ndarray] | None:
        """The contents of a node's outputs, where they follow from shapes."""
        if node.domain != "":
            return None
        if node.op_type in ("Shape", "Size"):
            dims = self.shapes.of(node.inputs[0])
            if dims is None:
                return None
            if node.op_type == "Size":
                return [_array_of([product(dims)]).reshape(())]
            return [_array_of(dims[node.attributes.get_int("start", 0) : node.attributes.get_int("end", len(dims))])]
        if node.op_type not in EVALUATORS or not any(value in self.followed for value in node.inputs):
            return None
        values = [self._value(value) for value in node.inputs]
        if any(array is None and value is not None for array, value in zip(values, node.inputs, strict=True)):
            return None
        try:
            return evaluate(node, values)
        except (NotKnown, *MALFORMED):
            return None


def _dtype(node: ir.Node, index: int) -> ir.DataType | None:
    """The element type of an output of a node that has a shape rule."""
    if index and node.op_type in ("MaxPool", "TopK"):
        return ir.DataType.INT64
    if node.op_type == "Cast":
        return ir.DataType(node.attributes.get_int("to", 0))
    if node.op_type == "ConstantOfShape":
        fill = node.attributes.get("value")
        return ir.DataType.FLOAT if fill is None else fill.as_tensor().dtype
    if node.op_type in _ASK_ONNX:
        return None
    if node.domain == "keraport" and node.op_type in ("If", "Loop"):
        return node.outputs[index].dtype
    source = node.inputs[1 if node.op_type in ("CastLike", "Where") else 0] if node.inputs else None
    return DTYPES.get(node.op_type, None if source is None else source.dtype)


_ASK_ONNX = frozenset(("ConvInteger", "MatMulInteger", "QLinearConv"))
"""Operators with a rule for the shape whose element type is neither the first input's nor always the same."""


def _array_of(dims: Sequence[Dim]) -> np.ndarray:
    array = np.empty(len(dims), object)
    array[:] = dims
    return array


def _all_numbers(array: np.ndarray) -> bool:
    return array.dtype != object or all(isinstance(element, int | float) for element in array.reshape(-1))
