"""ONNX files of a Keras model, by tf2onnx, with an open batch and the names of the source."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from passes.errors import Unsupported

OPSET = 18
"""The newest that tf2onnx writes."""


def write_onnx(serve: Any, signature: Sequence[Any], to: Path) -> None:
    """Write a function of TensorFlow as an ONNX file.

    Args:
        serve: takes the tensors of the signature, returns a dictionary of outputs by name.

    Raises:
        ModuleNotFoundError: tf2onnx is not installed.
        Unsupported: operations that tf2onnx has no form of, all of them at once.
    """
    import tensorflow as tf
    import tf2onnx

    function = tf.function(serve, input_signature=signature)
    told = logging.getLogger("tf2onnx")
    level = told.level
    told.setLevel(logging.CRITICAL)  # tracebacks of the operators that it lacks, which are named below
    try:
        written, _ = tf2onnx.convert.from_function(
            function, signature, opset=OPSET, output_path=str(to), custom_op_handlers=_HANDLERS
        )
    finally:
        told.setLevel(level)
    known = {schema.name for schema in onnx.defs.get_all_schemas()}
    nodes = [*written.graph.node, *(node for function in written.functions for node in function.node)]
    missing = sorted({node.op_type for node in nodes if node.domain == "" and node.op_type not in known})
    if missing:
        raise Unsupported(
            f"TensorFlow's graph cannot be written as onnx: tf2onnx has no form of {', '.join(missing)}.",
            hint="Other formats may have it: SavedModel, LiteRT.",
        )


def _erfc(context: Any, node: Any, name: str, arguments: Any) -> None:
    """1 - erf(x): tf2onnx has no Erfc, which is in every GELU of TensorFlow."""
    shapes, dtypes = node.output_shapes, node.output_dtypes
    dtype = np.float64 if dtypes[0] == onnx.TensorProto.DOUBLE else np.float32
    context.remove_node(node.name)
    erf = context.make_node("Erf", node.input, shapes=shapes, dtypes=dtypes)
    one = context.make_const(f"{name}/one", np.ones((), dtype))
    operands = [one.output[0], erf.output[0]]
    context.make_node("Sub", operands, outputs=node.output, name=name, shapes=shapes, dtypes=dtypes)


_HANDLERS: dict[str, tuple[Any, list[Any]]] = {"Erfc": (_erfc, [])}
