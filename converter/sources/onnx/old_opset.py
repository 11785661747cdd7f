"""Files of opsets 1 to 8: the standard's own version converter brings them to 9, from where the passes go on."""

from __future__ import annotations

import onnx
from onnx import version_converter

from passes.errors import Unsupported
from passes.normalize.convert_opset import OLDEST


def modernised(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """The model at the oldest opset that `ConvertOpset` starts from; itself where it is of that one or newer.

    Files of that age hold no metadata, which the converter would lose.

    Raises:
        Unsupported: the converter has no adapter for an operator, or finds that it cannot be valid.
    """
    versions = [item.version for item in model.opset_import if item.domain in ("", "ai.onnx")]
    if not versions or versions[0] >= OLDEST:
        return model
    try:
        return version_converter.convert_version(model, OLDEST)
    except Exception as error:  # RuntimeError and its own kinds, by version of onnx
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise Unsupported(
            f"{name} is of opset {versions[0]}, and onnx's version converter cannot bring it to {OLDEST}: {reason}",
            hint="Export it again with a newer opset.",
        ) from error
