"""Write out what ONNX lets a node leave out, so that no code after this asks for a default."""

from __future__ import annotations

from functools import cache

import onnx
import onnx_ir as ir

from passes.opset import OPSET


class ExplicitDefaults(ir.passes.InPlacePass):
    """Fill in attributes that have a default value in the operator's schema.

    Given    Conv(x, w)
    Result   Conv<auto_pad="NOTSET", group=1>(x, w)
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for graph in model.graphs():
            for node in graph:
                if node.domain != "":
                    continue
                for attribute in _defaults(node.op_type):
                    if attribute.name not in node.attributes:
                        node.attributes.add(attribute)
                        modified = True
        return ir.passes.PassResult(model, modified)


@cache
def _defaults(op_type: str) -> tuple[ir.Attr, ...]:
    """The optional attributes with defaults, made once: an Attr is immutable and may be shared."""
    if not onnx.defs.has(op_type, OPSET):
        return ()
    schema = onnx.defs.get_schema(op_type, OPSET)
    return tuple(
        ir.serde.deserialize_attribute(attribute.default_value)
        for attribute in schema.attributes.values()
        if not attribute.required and attribute.default_value.type != onnx.AttributeProto.UNDEFINED
    )
