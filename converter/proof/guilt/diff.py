"""Every value of a graph, onnxruntime's beside Keras's, in two views.

*Cumulative*: the model as it runs, errors and all. *Isolated*: each layer given the oracle's own inputs. Guilty is the
first layer whose output is wrong though what it was given is right; what is wrong only cumulatively is a victim.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx_ir as ir

from converter.ports import ports_of
from converter.proof.compare import Comparison, Tolerance, compare
from converter.proof.noise import uncertainty, weighed
from converter.proof.oracle import Oracle
from converter.proof.oracle.steps import Steps
from passes.errors import BadSource, operator

Array = np.ndarray[Any, np.dtype[Any]]
Traced = tuple[str, str, str, str, Array]
"""Value, layer, module path, description of the node, what Keras computed."""
ALONE = Tolerance(1e-5, 5e-7)
"""One layer by itself rounds a few times only: the formulas of two GELUs differ by more. onnxruntime's sigmoid is no
better than a few 1e-8, however small its results are.
"""

SOURCE_KEY = "pkg.torch.onnx.stack_trace"
"""Node metadata under which PyTorch's exporter keeps the source lines."""


@dataclass(frozen=True)
class ValueDifference:
    """One value of the graph in Keras.

    Attributes:
        value, operator: in the graph.
        layer, module, node: who computes it.
        cumulative: as errors flow; None where it was not computed.
        isolated: from the oracle's own inputs.
        worst: where in the tensor the isolated difference is greatest.
        line: of the module's source, where the exporter kept it.
    """

    value: str
    operator: str
    layer: str
    module: str
    node: str
    cumulative: Comparison | None
    isolated: Comparison
    worst: tuple[int, ...] | None = None
    line: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Errors are null where shapes or dtypes already differ."""
        errors = {
            name: None if found is None else found.to_dict()["max_abs"]
            for name, found in (("cumulative", self.cumulative), ("isolated", self.isolated))
        }
        return {
            "stage": "layer",
            "value": self.value,
            "operator": self.operator,
            "layer": self.layer,
            "module": self.module,
            "node": self.node,
            "reason": self.isolated.reason,
            "max_abs": errors["isolated"],
            "cumulative_max_abs": errors["cumulative"],
            "worst_at": None if self.worst is None else list(self.worst),
            "line": self.line,
        }


class Values:
    """What the oracle computes for every value of a graph that has been through the passes, for one set of inputs.

    Args:
        final: the graph that the model was made of.
        feeds: the inputs, axes as in the source.
    """

    def __init__(self, final: ir.Model, feeds: Mapping[str, Array]) -> None:
        self.final = final
        self.inputs = turned(final, feeds)
        self.known = {**self.inputs, **Oracle(final).values(self.inputs)}
        self.nodes = {value.name: node for node in final.graph for value in node.outputs}
        self.order = {name: place for place, name in enumerate(self.nodes)}

    def differences(self, isolated: Iterable[Traced], cumulative: Iterable[Traced] = ()) -> list[ValueDifference]:
        """All values that both sides have, in the graph's order."""
        flowing = {item[0]: item[-1] for item in cumulative}
        found = [self._difference(item, flowing.get(item[0])) for item in isolated if item[0] in self.nodes]
        return sorted(found, key=lambda item: self.order[item.value])

    def guilty(self, isolated: Iterable[Traced]) -> ValueDifference | None:
        """The first layer that is wrong by itself."""
        return next((found for found in self.differences(isolated) if not found.isolated.passed), None)

    def _difference(self, traced: Traced, flowing: Array | None) -> ValueDifference:
        value, layer, module, description, array = traced
        node = self.nodes[value]
        reference = self.known[value]
        alone = self._judged(node, value, of_one_type(reference, array), reference)
        return ValueDifference(
            value,
            operator(node),
            layer,
            module,
            description,
            None if flowing is None else compare(reference, of_one_type(reference, flowing), name=value),
            alone,
            None if alone.passed else _worst(reference, array),
            _line(node),
        )

    def _judged(self, node: ir.Node, value: str, array: Array, reference: Array) -> Comparison:
        """The verdict on a layer by itself: rounding inside of it counts as the oracle's own does."""
        alone = ALONE if reference.dtype == np.float32 else None
        found = compare(reference, array, alone, name=value)
        if found.passed or not np.isfinite(found.max_abs):
            return found
        try:
            model = part_of(self.final, [node])
            part = Oracle(model)
            given = {name: self.known[name] for name in part.input_names}
            place = part.output_names.index(value)
            noise = uncertainty(part, given, part.run(given), steps=Steps(model))  # in a loop
            found = weighed(found, reference, noise[place])
        except (BadSource, KeyError, ValueError):  # then nothing excuses it
            return found
        return replace(found, passed=True) if found.ill_conditioned else found


def turned(model: ir.Model, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """The inputs with the axes that a graph gives them, at whatever stage it is."""
    ports = ports_of([value for value in model.graph.inputs if value.name in feeds])
    return {port.name: port.to_keras(feeds[port.name]) for port in ports}


def part_of(model: ir.Model, nodes: Sequence[ir.Node]) -> ir.Model:
    """Some nodes of a graph, in its order, as a model of their own: what they take from others are its inputs."""
    copies: dict[ir.Value, ir.Value] = {}
    for value in (value for node in nodes for value in (*node.inputs, *node.outputs) if value is not None):
        if value not in copies:
            copies[value] = ir.Value(name=value.name, shape=value.shape, type=value.type, const_value=value.const_value)
            copies[value].metadata_props.update(value.metadata_props)
    written = [
        ir.Node(
            node.domain,
            node.op_type,
            [None if value is None else copies[value] for value in node.inputs],
            list(node.attributes.values()),
            outputs=[copies[value] for value in node.outputs],
            name=node.name,
        )
        for node in nodes
    ]
    taken = [value for value in copies.values() if value.producer() is None]
    ends = [value for node in written for value in node.outputs if not value.uses()]
    graph = ir.Graph(
        [value for value in taken if value.const_value is None],
        ends,
        nodes=written,
        initializers=[value for value in taken if value.const_value is not None],
        opset_imports=dict(model.opset_imports),
        name="part",
    )
    return ir.Model(graph, ir_version=model.ir_version)


def of_one_type(reference: Array, array: Array) -> Array:
    """bfloat16 is computed in float32 by the oracle."""
    return array.astype(reference.dtype) if array.dtype.name == "bfloat16" else array


def _worst(reference: Array, array: Array) -> tuple[int, ...] | None:
    if reference.shape != array.shape or not reference.size or reference.dtype.kind not in "fiub":
        return None
    apart = np.abs(np.asarray(reference, np.float64) - np.asarray(array, np.float64))
    return tuple(int(place) for place in np.unravel_index(int(np.nanargmax(np.nan_to_num(apart))), apart.shape))


def _line(node: ir.Node) -> str:
    """The last line of the user's source in the exporter's trace."""
    lines = [line.strip() for line in node.metadata_props.get(SOURCE_KEY, "").splitlines() if line.strip()]
    return lines[-1] if lines else ""
