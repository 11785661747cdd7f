"""LiteRT files, by TensorFlow's converter, of LiteRT's own operators."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converter.processes.quiet_stderr import quiet_stderr
from passes.errors import Unsupported

if TYPE_CHECKING:
    from converter.destinations.quantise import Quantisation


def write_lite(
    saved_model: Path, to: Path, quantisation: Quantisation | None = None, samples: Sequence[dict[str, Any]] = ()
) -> None:
    """Convert a SavedModel folder.

    Args:
        samples: by the names of the inputs, to calibrate with.

    Raises:
        Unsupported: LiteRT has no operator for something in it.
    """
    import tensorflow as tf
    from tensorflow.lite.python.convert_phase import ConverterError

    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if quantisation is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if quantisation.kind == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if quantisation.kind == "int8":  # inputs and outputs stay as they are
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8, tf.lite.OpsSet.TFLITE_BUILTINS]
            converter.representative_dataset = lambda: iter(samples)
    try:
        with quiet_stderr():  # pages, with the place of every operator; what matters of them is in the error
            written = converter.convert()
    except ConverterError as error:
        raise refusal(str(error)) from error
    to.write_bytes(written)


def refusal(message: str) -> Unsupported:
    """In a line: TensorFlow's message goes on for pages, with the place of every operator in its own graph."""
    looped = re.search(r'"TensorListReserve:", "[^"/@]+/([^"@]+)', message)
    if looped and "element_shape" in message:
        return Unsupported(
            "TensorFlow cannot write the model as tflite: LiteRT computes recurrent layers and loops of known sizes "
            "only, and the batch is one of them.",
            node=f"{looped.group(1)} in TensorFlow's graph",
            hint="Fix the batch, as in --input 'x=float32[1,…]', or take another format: SavedModel, ONNX.",
        )
    found = re.findall(r"^\s*tf\.(\w+)\(tensor<((?:[^>]*x)?)(\w+)>", message, re.MULTILINE)
    missing = dict.fromkeys((name, kind, name in _BY_CHANNELS and sizes.endswith("?x")) for name, sizes, kind in found)
    if missing:
        told = ", ".join(
            f"{name} of {_TYPES.get(kind, kind)}{' over channels whose number TensorFlow has lost' if is_lost else ''}"
            for name, kind, is_lost in missing
        )
        return Unsupported(
            f"TensorFlow cannot write the model as tflite: LiteRT has no {told}.",
            hint="Other formats may have it: SavedModel, ONNX. Sizes that --input fixes need not be computed.",
        )
    lines = [line for line in message.splitlines() if line.strip()] or ["its converter stops"]
    said = re.search(r"error: ('tf\.\w+' op .*)", message)
    reason = said.group(1) if said else re.sub(r"loc.*?error: ", "", lines[0])
    return Unsupported(
        f"TensorFlow cannot write the model as tflite: {reason[:300]}",
        hint="Other formats may have it: SavedModel, ONNX.",
    )


_BY_CHANNELS = ("Conv2D", "Conv3D", "DepthwiseConv2dNative", "MatMul")
"""LiteRT has these."""

_TYPES = {"i64": "int64", "i32": "int32", "i1": "bool", "f16": "float16", "f32": "float32", "f64": "float64"}
