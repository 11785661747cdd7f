"""Weights keep their names, and what only looks at them differently stays a look: no copy.

Given    t = Transpose<perm=[1,0]>(fc.weight);  y = MatMul(x, t)
Result   y = MatMul(x, fc.weight_view)     an initializer that is a Look, whose metadata says
                                           {"name": "fc.weight", "view": [["transpose", [1, 0]]]}

Who emits the model can thus find the weight in the source's state_dict, and its variable's layout, without reading it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from math import prod

import numpy as np
import onnx_ir as ir

from passes.graph.view_steps import Step, WeightView, apply_view, shape_after, simplest

WEIGHT_KEY = "keraport.weight"
"""Metadata key of an initializer: JSON {"name": source name, "view": [[step, numbers], ...] or "derived"}."""

MARKED_KEY = "keraport.weights"
"""Metadata key of a model whose source weights are marked: what is folded later is no weight of the source."""

FROZEN_KEY = "pkg.torch.frozen"
"""Metadata key of an initializer that torch calls a parameter, and does not train."""

TORCH_KIND = "pkg.torch.export.graph_signature.InputSpec.kind"
_SMALL = 16

PLACES: dict[str, tuple[int, ...]] = {
    "BatchNormalization": (1, 2, 3, 4),
    "Conv": (1, 2),
    "ConvTranspose": (1, 2),
    "GRU": (1, 2, 3),
    "Gemm": (1, 2),
    "GroupNormalization": (1, 2),
    "InstanceNormalization": (1, 2),
    "LSTM": (1, 2, 3),
    "LayerNormalization": (1, 2),
    "MatMul": (0, 1),
    "PRelu": (1,),
    "RMSNormalization": (1,),
    "RNN": (1, 2, 3),
}
"""The inputs of an operator that are weights where they are constant."""


class MarkWeights(ir.passes.InPlacePass):
    """Say which initializers are weights of the source.

    Given    an initializer that torch calls PARAMETER or BUFFER, a float one of more than 16 elements, or a shorter one
             in the place of a weight, such as the bias of a convolution
    Result   the same with metadata {"name": its name, "view": []}

    Not when the model was marked before: what passes compute is not a weight.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        if MARKED_KEY in model.metadata_props:
            return ir.passes.PassResult(model, False)
        for graph in model.graphs():
            for value in graph.initializers.values():
                if (is_weight(value) or _is_in_place(value)) and WEIGHT_KEY not in value.metadata_props:
                    value.metadata_props[WEIGHT_KEY] = provenance(value.name or "", ())
            for node in graph:
                if node.op_type == "Constant" and node.domain == "" and is_weight(node.outputs[0], node):
                    output = node.outputs[0]
                    output.metadata_props[WEIGHT_KEY] = provenance(output.name or "", ())
        model.metadata_props[MARKED_KEY] = "marked"
        return ir.passes.PassResult(model, True)


def mark_frozen(model: ir.Model, names: Iterable[str]) -> None:
    """Note of parameters that the source does not train them."""
    for name in names:
        if name in model.graph.initializers:
            model.graph.initializers[name].metadata_props[FROZEN_KEY] = "frozen"


def is_trained(value: ir.Value) -> bool:
    """Whether torch says that an initializer is a parameter which is trained."""
    return value.metadata_props.get(TORCH_KIND) == "PARAMETER" and FROZEN_KEY not in value.metadata_props


def is_weight(value: ir.Value, constant: ir.Node | None = None) -> bool:
    """Whether an initializer, or the output of a Constant node, is a weight of the source."""
    if value.metadata_props.get(TORCH_KIND) in ("PARAMETER", "BUFFER"):
        return True
    tensor = value.const_value
    if constant is not None and (held := constant.attributes.get("value")) is not None:
        tensor = held.value  # not as_tensor(), which spends 0.1 ms on checking that it is one
    return tensor is not None and tensor.dtype.is_floating_point() and tensor.size > _SMALL


def _is_in_place(value: ir.Value) -> bool:
    """Whether it is float and stands, directly or after a MatMul, where an operator has a weight."""
    tensor = value.const_value
    if tensor is None or not tensor.dtype.is_floating_point() or not len(tensor.shape):
        return False
    return any(place in PLACES.get(node.op_type, ()) or _is_bias(node, value) for node, place in value.uses())


def _is_bias(node: ir.Node, value: ir.Value) -> bool:
    others = [operand.producer() for operand in node.inputs if operand is not None and operand is not value]
    product = others[0] if node.op_type == "Add" and others else None
    return product is not None and product.op_type == "MatMul"


def provenance(name: str, view: WeightView | str, of: Sequence[str] = ()) -> str:
    """The JSON text for WEIGHT_KEY. `of`: the weights that it was computed from, where those are several."""
    steps = view if isinstance(view, str) else [[kind, list(numbers)] for kind, numbers in view]
    return json.dumps({"name": name, "view": steps, **({"of": sorted(of)} if of else {})})


def recorded_sources(value: ir.Value) -> list[str]:
    """The names of the source's weights that a value was made of; none for what is no weight."""
    text = value.metadata_props.get(WEIGHT_KEY)
    if text is None:
        return []
    record = json.loads(text)
    return list(record.get("of", [record["name"]]))


def recorded_view(value: ir.Value) -> tuple[str, WeightView | str] | None:
    """The name and the view that a weight's metadata tells; None for what is no weight."""
    text = value.metadata_props.get(WEIGHT_KEY)
    if text is None:
        return None
    record = json.loads(text)
    view = record["view"]
    if isinstance(view, str):
        return record["name"], view
    return record["name"], tuple((kind, tuple(numbers)) for kind, numbers in view)


def step_of(node: ir.Node, shape: Sequence[int], arguments: Sequence[np.ndarray]) -> Step | None:
    """The step that a view operator takes on a tensor of this shape; None where the operator is no view."""
    rank = len(shape)
    if node.op_type == "Transpose":
        perm = node.attributes.get_ints("perm", None)
        return "transpose", tuple(reversed(range(rank))) if perm is None else tuple(perm)
    if node.op_type == "Identity":
        return "reshape", tuple(shape)
    target: list[int]
    if node.op_type == "Reshape":
        target = [int(size) for size in arguments[0]]
        if not node.attributes.get_int("allowzero", 0):
            target = [shape[axis] if size == 0 else size for axis, size in enumerate(target)]
        if -1 in target:
            rest = -int(np.prod(target))
            target[target.index(-1)] = int(np.prod(shape)) // rest if rest else 0
    elif node.op_type == "Flatten":
        axis = node.attributes.get_int("axis", 1)
        axis += rank if axis < 0 else 0
        target = [int(np.prod(shape[:axis])), int(np.prod(shape[axis:]))]
    elif node.op_type in ("Squeeze", "Unsqueeze"):
        axes = [int(axis) for axis in arguments[0]] if arguments else list(node.attributes.get_ints("axes", ()))
        if node.op_type == "Unsqueeze":
            taken = {axis + rank + len(axes) if axis < 0 else axis for axis in axes}
            sizes = iter(shape)
            target = [1 if axis in taken else next(sizes) for axis in range(rank + len(axes))]
        else:
            gone = {axis + rank if axis < 0 else axis for axis in axes} or {a for a in range(rank) if shape[a] == 1}
            target = [size for axis, size in enumerate(shape) if axis not in gone]
    else:
        return None
    return "reshape", tuple(target)


def fits(step: Step, shape: Sequence[int]) -> bool:
    """Whether a tensor of this shape can take the step."""
    kind, numbers = step
    if kind == "transpose":
        return sorted(numbers) == list(range(len(shape)))
    return min(numbers, default=0) >= 0 and prod(numbers) == prod(shape)


def extend(view: WeightView, step: Step, shape: Sequence[int]) -> WeightView:
    """One step more, leaving out what does nothing and what the step undoes."""
    kind, numbers = step
    if kind == "take":
        return view if numbers[1:] == tuple(range(shape[numbers[0]])) else (*view, step)
    if numbers == (tuple(range(len(numbers))) if kind == "transpose" else tuple(shape)):
        return view
    if view and view[-1][0] == kind:
        if kind == "reshape":
            return (*view[:-1], step)
        joined = tuple(view[-1][1][axis] for axis in numbers)
        return view[:-1] if joined == tuple(range(len(joined))) else (*view[:-1], (kind, joined))
    return (*view, step)


def look_at(base: ir.TensorProtocol, view: WeightView) -> ir.TensorProtocol:
    """A tensor seen so: itself where the view has no steps."""
    shape: tuple[int, ...] = tuple(base.shape.numpy())
    for step in view:
        shape = shape_after(shape, step)
    return Look(base, view, shape) if view else base


def seen_tensor(tensor: ir.TensorProtocol) -> ir.TensorProtocol:
    """What a look is at; a tensor itself where it is none."""
    return tensor.base if isinstance(tensor, Look) else tensor


class Look(ir.LazyTensor):
    """A tensor that reads its base only when someone reads it. A look at a look is one at the base."""

    def __init__(self, base: ir.TensorProtocol, view: WeightView, shape: Sequence[int]) -> None:
        self.base = seen_tensor(base)
        self.view: WeightView = (*base.view, *view) if isinstance(base, Look) else view
        super().__init__(self._read, dtype=base.dtype, shape=ir.Shape(shape))

    @property
    def simplest(self) -> WeightView:
        """The view, with as few steps as it takes."""
        return simplest(self.view, tuple(self.base.shape.numpy()))

    def _read(self) -> ir.TensorProtocol:
        return ir.Tensor(apply_view(self.base.numpy(), self.view), dtype=self.base.dtype)
