"""What must hold after the settle stage, in one place: every test of a settle pass, and every model, is held to it."""

from __future__ import annotations

from collections.abc import Iterator

import onnx_ir as ir

from passes.dims.bounds import substitute
from passes.dims.parse import parse
from passes.dims.polynomial import Dim
from passes.errors import MODULE_KEY
from passes.opset import OPSET
from passes.order import NORMALIZING

FOLDED_AWAY = frozenset({"Constant", "SplitToSequence", "SequenceAt", "SequenceConstruct", "CastLike"})
RANDOM = frozenset({"RandomNormal", "RandomUniform", "EyeLike"})


def settle(model: ir.Model) -> ir.Model:
    """Run the stage, twice, and require that the second run finds nothing to do, and what the stage promises."""
    for make in NORMALIZING:
        model = make()(model).model
    again = [make.__name__ for make in NORMALIZING if make()(model).modified]
    assert not again, f"not idempotent: {again}"
    assert_settled(model)
    return model


def assert_settled(model: ir.Model) -> None:
    """Require the invariants of stage 1."""
    assert model.opset_imports.get("") == OPSET
    assert not model.functions
    names: list[str | None] = []
    for graph in model.graphs():
        for name, value in graph.initializers.items():
            assert value.const_value is not None, f"initializer {name!r} has no value"
            assert value.name == name
            assert not value.is_graph_input(), f"initializer {name!r} is an input"
        names += graph.initializers
    names += [value.name for value in model.graph.inputs]
    for node in _nodes(model):
        names += [output.name for output in node.outputs if output.name]
        _assert_node(node)
    assert len(names) == len(set(names)), "value names are not unique"


def _nodes(model: ir.Model) -> Iterator[ir.Node]:
    for graph in model.graphs():
        yield from graph


def _assert_node(node: ir.Node) -> None:
    what = f"{node.op_type} {node.name!r}"
    assert node.domain == "", what
    assert node.version is None, what
    assert MODULE_KEY in node.metadata_props, f"{what} has no module path"
    assert node.op_type not in FOLDED_AWAY, f"{what} is left"
    if node.op_type == "Identity":
        x, y = node.inputs[0], node.outputs[0]
        assert y.is_graph_output() and x is not None and (x.producer() is None or x.is_graph_output()), (
            f"{what} is left"
        )
    constant = [value.const_value is not None for value in node.inputs if value is not None]
    assert not constant or not all(constant) or node.op_type in RANDOM, f"{what} has only constant inputs"
    for name in ("axis", "axes", "perm"):
        attribute = node.attributes.get(name)
        axes = [] if attribute is None else [attribute.value] if isinstance(attribute.value, int) else attribute.value
        assert all(axis >= 0 for axis in axes), f"{what} counts {name} from the end"
    for output in node.outputs:
        if not output.name:
            continue
        assert output.dtype is not None, f"{what}: {output.name!r} has no element type"
        assert output.shape is not None, f"{what}: {output.name!r} has no shape"
        for dim in output.shape:
            assert isinstance(dim, int) or dim.value, f"{what}: {output.name!r} has a size without a name"


def sizes_at(value: ir.Value, bindings: dict[str, int]) -> list[Dim]:
    """The shape of a value once its symbols are numbers."""
    assert value.shape is not None
    known: dict[str, Dim] = dict(bindings)
    return [dim if isinstance(dim, int) else substitute(parse(dim.value or "?"), known) for dim in value.shape]
