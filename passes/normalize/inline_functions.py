"""One graph, sorted: no functions, and no weights among the inputs."""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes.common import InlinePass, RemoveInitializersFromInputsPass, RemoveUnusedOpsetsPass

from passes.errors import BadSource
from passes.normalize.known_functions import define_known
from passes.normalize.standard_functions import Beyond, is_composed


class InlineFunctions(ir.passes.InPlacePass):
    """Inline functions, sort nodes, take initializers off the inputs.

    Given    y = my::Block(x)                    with a function my::Block(a) = Relu(Conv(a, w))
    Result   t = Conv(x, w);  y = Relu(t)        both with the metadata of the call

    Operators that are compositions of others (known_functions.py) are calls of functions too.

    A function may be of another opset than the model: its nodes remember theirs in `node.version` for ConvertOpset.

    Raises:
        BadSource: functions that call each other in a circle, a graph with a cycle, or one without outputs.
    """

    def __init__(self, is_composed: Beyond = is_composed) -> None:
        """Args:
        is_composed: which of the standard's operators become the composition that it defines them by."""
        super().__init__()
        self._is_composed = is_composed

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        if not model.graph.outputs:
            raise BadSource("The model has no outputs: it computes nothing.")
        modified = False
        while define_known(model, self._is_composed) or model.functions:
            modified |= _inline(model)
        if modified:
            RemoveUnusedOpsetsPass()(model)
        if not _is_sorted(model.graph):
            try:
                model.graph.sort()
            except ValueError as error:
                raise BadSource("The graph has a cycle.") from error
            modified = True
        modified |= RemoveInitializersFromInputsPass()(model).modified
        return ir.passes.PassResult(model, modified)


def _inline(model: ir.Model) -> bool:
    for function in model.functions.values():
        for domain, version in list(function.opset_imports.items()):
            known = model.opset_imports.setdefault(domain, version)
            if known == version:
                continue
            if domain in ("", "ai.onnx"):
                for node in function.all_nodes():
                    if node.domain == domain:
                        node.version = version
            function.opset_imports[domain] = known
    try:
        inlined = InlinePass()(model)
    except ir.passes.PreconditionError as error:
        raise BadSource(f"The model's functions call each other in a circle: {error}") from error
    except (ValueError, RuntimeError) as error:  # as onnx_ir wraps what it finds
        raise BadSource(f"The model's functions cannot be put into its graph: {error}") from error
    model.functions.clear()
    return inlined.modified


def _is_sorted(graph: ir.Graph) -> bool:
    seen: set[ir.Node] = set()
    for node in graph:
        for value in node.inputs:
            producer = None if value is None else value.producer()
            if producer is not None and producer.graph is graph and producer not in seen:
                return False
        seen.add(node)
    return True
