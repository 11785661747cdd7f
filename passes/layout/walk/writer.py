"""What the layout pass writes: nodes on bases, in the name of the node being walked, and their small constants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from passes.dims.product import Product, dims_of, to_shape
from passes.graph.view_steps import Step
from passes.graph.view_weight import WeightViews
from passes.lower.private_operators import is_private, private


class Writer:
    """Writes the graph as it will be, beside the one that it was.

    `node` is the node being walked: what is written has its name, its module path and the types of its outputs.
    """

    def __init__(self, graph: ir.Graph) -> None:
        self.graph = graph
        self.nodes: list[ir.Node] = []
        self.anchors: dict[str, tuple[ir.Value, int]] = {}
        self.node: ir.Node = next(iter(graph))
        self._node_names: dict[str, int] = {}
        self._names: set[str] = {str(v.name) for v in (*graph.inputs, *graph.initializers.values())}
        self._constants: dict[tuple[str, tuple[int, ...], bytes], ir.Value] = {}
        self._weight_views = WeightViews(self.unique)

    def emit(
        self,
        op_type: str,
        inputs: Sequence[ir.Value | None],
        dims: Sequence[Product],
        attributes: dict[str, Any] | None = None,
        *,
        domain: str = "",
        like: ir.Value | None = None,
    ) -> ir.Value:
        """Write one node with one output, in the name of the node being walked. `like` gives name and type."""
        return self.emit_many(op_type, inputs, [dims], attributes, domain=domain, like=[like or self.node.outputs[0]])[
            0
        ]

    def emit_many(
        self,
        op_type: str,
        inputs: Sequence[ir.Value | None],
        dims: Sequence[Sequence[Product]],
        attributes: dict[str, Any] | None = None,
        *,
        domain: str = "",
        like: Sequence[ir.Value],
    ) -> Sequence[ir.Value]:
        outputs = [
            ir.Value(name=self.unique(str(v.name)), shape=to_shape(d), type=v.type)
            for v, d in zip(like, dims, strict=True)
        ]
        node = ir.Node(
            domain,
            op_type,
            inputs=inputs,
            attributes=[*ir.convenience.convert_attributes(attributes or {})],
            outputs=outputs,
            name=self._node_name(op_type),
            metadata_props=self.node.metadata_props,
        )
        if is_private(node):
            private(node)
        self.nodes.append(node)
        for output in outputs:
            self.anchor(output)
        return outputs

    def transpose(self, value: ir.Value, perm: Sequence[int]) -> ir.Value:
        """The value with its axes in another order: of one that was transposed already, in one step."""
        maker = value.producer()
        if maker is not None and (maker.domain, maker.op_type) == ("", "Transpose") and maker.inputs[0] is not None:
            first = maker.attributes["perm"].as_ints()
            value, perm = maker.inputs[0], [first[place] for place in perm]
            if list(perm) == sorted(perm):
                return value
        dims = dims_of(value)
        return self.emit("Transpose", [value], [dims[p] for p in perm], {"perm": list(perm)}, like=value)

    def constant(self, values: Sequence[int] | np.ndarray, dtype: Any = np.int64) -> ir.Value:
        """A small initializer, shared between the nodes that want the same numbers."""
        array = np.asarray(values, dtype=dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            tensor = ir.tensor(array, name=self.unique(f"const_{array.dtype}"))
            self._constants[key] = value = ir.Value(
                name=tensor.name, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype), const_value=tensor
            )
            self.graph.register_initializer(value)
        return self._constants[key]

    def view_weight(self, value: ir.Value, steps: Sequence[Step]) -> ir.Value:
        """A transposed and reshaped constant as an initializer of its own."""
        return self._weight_views.view(self.graph, value, steps)

    def scalar(self, number: float, like: ir.Value) -> ir.Value:
        """A constant of the dtype of `like`."""
        dtype = like.dtype.numpy() if like.dtype is not None else np.dtype("float32")
        return self.constant(np.asarray(number, dtype), dtype)

    def _node_name(self, op_type: str) -> str:
        """The name of the node being walked, once, for the first operator of its kind."""
        name = str(self.node.name)
        wanted = name if op_type == self.node.op_type else f"{name}_{op_type.lower()}"
        self._node_names[wanted] = count = self._node_names.get(wanted, 0) + 1
        return wanted if count == 1 else f"{wanted}_{count}"

    def anchor(self, value: ir.Value) -> None:
        """Remember the latest value that has a symbol for an axis: a live tensor from which that size can be taken."""
        for axis, d in enumerate(dims_of(value)):
            if d.coefficient == 1 and len(d.symbols) == 1:
                self.anchors[d.symbols[0]] = (value, axis)

    def anchored(self, size: Product) -> tuple[ir.Value, int] | None:
        """The live tensor that has this open size, and its axis; None where no tensor has it by itself."""
        alone = size.coefficient == 1 and len(size.symbols) == 1
        return self.anchors.get(size.symbols[0]) if alone else None

    def unique(self, name: str) -> str:
        """A name that no value of the new graph has yet."""
        candidate, count = name, 1
        while candidate in self._names:
            candidate, count = f"{name}_{count}", count + 1
        self._names.add(candidate)
        return candidate
