"""Write down, on every node, which module of the source it came from.

torch's exporter leaves `pkg.torch.onnx.name_scopes` = "['', 'layer1', 'layer1.0', 'layer1.0.conv1', 'conv2d_3']": the
module paths from the outside in, then the node's own name. TorchScript's exporter leaves node names:
`/layer1/layer1.0/conv1/Conv`.
"""

from __future__ import annotations

import ast
import re
from functools import lru_cache

import onnx_ir as ir

from passes.errors import MODULE_KEY

CLASS_KEY = "keraport.class"
"""Node metadata key of the class of the module that `keraport.module` names, where the source tells it."""

_SCOPES = "pkg.torch.onnx.name_scopes"
_CLASSES = "pkg.torch.onnx.class_hierarchy"
_NO_MODULE = "_empty_nn_module_stack_from_metadata_hook"
"""What torch writes for an operation that its own tracer added, such as reading a size."""


class ModulePaths(ir.passes.InPlacePass):
    """Set `keraport.module` and `keraport.class`.

    Given    Conv with name_scopes ['', 'layer1', 'layer1.0', 'layer1.0.conv1', 'conv2d_3']
    Result   the same with keraport.module = "layer1.0.conv1"

    Not on a node that has it already. A node that nothing is known of belongs to the top level: "".
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for graph in model.graphs():
            for node in graph:
                if MODULE_KEY not in node.metadata_props:
                    _describe(node)
                    modified = True
        return ir.passes.PassResult(model, modified)


def _describe(node: ir.Node) -> None:
    metadata = node.metadata_props
    if _SCOPES in metadata:
        metadata[MODULE_KEY] = _innermost(metadata[_SCOPES])
        if _CLASSES in metadata and (found := _innermost(metadata[_CLASSES])):
            metadata[CLASS_KEY] = found
    else:
        metadata[MODULE_KEY] = _from_node_name(node.name or "")


@lru_cache(maxsize=4096)
def _innermost(text: str) -> str:
    """The last but one of a python list of strings: the last is the operation itself."""
    try:
        scopes = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return ""
    if not isinstance(scopes, list) or len(scopes) < 2 or not isinstance(scopes[-2], str):
        return ""
    return "" if scopes[-2] == _NO_MODULE else re.sub(r"@\d+", "", scopes[-2])


def _from_node_name(name: str) -> str:
    """`/layer1/layer1.0/conv1/Conv` is layer1.0.conv1: a part that repeats the path so far replaces it."""
    if not name.startswith("/"):
        return ""
    path = ""
    for part in name.split("/")[1:-1]:
        path = part if not path or part.startswith(f"{path}.") else f"{path}.{part}"
    return path
