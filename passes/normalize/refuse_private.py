"""The door: private domains and notes of the passes stay out of what strangers send."""

from __future__ import annotations

from collections.abc import Iterator

import onnx_ir as ir

from passes.errors import Unsupported, describe
from passes.lower.private_operators import DOMAINS, METADATA, is_private


class RefusePrivate(ir.passes.InPlacePass):
    """Given    a model that imports `nhwc` or `keraport`, or has a node or a function of theirs
    Result   refused: such a node would be taken for one that a pass has written

    Given    metadata of the passes, such as `keraport.weight`
    Result   the model without it
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        imported = sorted(DOMAINS & {*model.opset_imports, *(domain for domain, *_ in model.functions)})
        graphs = [*model.graphs(), *(function.graph for function in model.functions.values())]
        node = next((node for graph in graphs for node in graph.all_nodes() if is_private(node)), None)
        if node is not None or imported:
            domain = imported[0] if node is None else node.domain
            raise Unsupported(
                f"The domain {domain!r} is keraport's own: no file may use it.",
                node=None if node is None else describe(node),
                hint="Give the operators a domain of their own, or write them as functions of the model.",
            )
        modified = False
        for notes in _metadata(model, graphs):
            for key in [key for key in notes if key.startswith(METADATA)]:
                del notes[key]
                modified = True
        return ir.passes.PassResult(model, modified)


def _metadata(model: ir.Model, graphs: list[ir.Graph]) -> Iterator[dict[str, str]]:
    yield model.metadata_props
    for graph in graphs:
        yield graph.metadata_props
        for value in (*graph.inputs, *graph.initializers.values()):
            yield value.metadata_props
        for node in graph.all_nodes():
            yield node.metadata_props
            for value in node.outputs:
                yield value.metadata_props
