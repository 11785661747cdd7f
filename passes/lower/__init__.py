"""The private operators of the `nhwc` and `keraport` domains, written back as standard ONNX on a copy of the graph.

onnxruntime can thus run the graph of any stage. Outputs keep their names, so that values of two stages can be compared.
private_operators.py lists them.
"""

from __future__ import annotations

import onnx_ir as ir

from passes.facts.onnxruntime import has_small_mask, is_rough_spectrum
from passes.graph.builder import FreshNames
from passes.lower.attention_mask import expand_mask
from passes.lower.private_operators import DOMAINS, private
from passes.lower.same_pads import is_faulty_same, spell_out_same
from passes.lower.spectra import as_product


def to_standard(model: ir.Model) -> ir.Model:
    """A copy of the model in operators of the standard domain only. Tensors are shared, not copied.

    Raises:
        Unsupported: a private operator that has no meaning here.
    """
    copy = model.clone()
    names = FreshNames(copy)
    for graph in copy.graphs():
        for node in list(graph):
            if node.domain == "nhwc":
                private(node).meaning(node, names)
        for node in list(graph):
            if is_faulty_same(node):  # before the next loop, which lowers what this writes
                spell_out_same(node, names)
        for node in list(graph):
            if node.domain == "keraport":
                private(node).meaning(node, names)
        for node in list(graph):
            if has_small_mask(node):
                expand_mask(node, names)
        for node in list(graph):
            if is_rough_spectrum(node):
                as_product(node, names)
    for domain in DOMAINS:
        copy.opset_imports.pop(domain, None)
    return copy
