"""keraport: PyTorch models and ONNX files as real Keras 3 models, proven equal."""

from converter.convert import Conversion, convert
from converter.errors import BadSource, ConversionError, LimitExceeded, NotEquivalent, Unsupported, UsageError

__all__ = [
    "BadSource", "Conversion", "ConversionError", "LimitExceeded", "NotEquivalent", "Unsupported", "UsageError",
    "convert",
]  # fmt: skip
