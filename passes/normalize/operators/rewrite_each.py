"""A pass that writes certain nodes in another way, one after the other."""

from __future__ import annotations

from abc import abstractmethod

import onnx_ir as ir

from passes.graph.builder import FreshNames


class RewriteEach(ir.passes.InPlacePass):
    """Rewrite every node, of the graph and of those inside of it, that is `wanted`."""

    @abstractmethod
    def wanted(self, node: ir.Node) -> bool:
        """Whether this node is written in another way."""

    @abstractmethod
    def rewrite(self, node: ir.Node, names: FreshNames) -> None:
        """Write it so."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        found = [node for node in model.graph.all_nodes() if self.wanted(node)]
        if found:
            names = FreshNames(model)
            for node in found:
                self.rewrite(node, names)
        return ir.passes.PassResult(model, bool(found))
