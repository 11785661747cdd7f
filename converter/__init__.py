"""keraport: PyTorch models and ONNX files as real Keras 3 models, proven equal.

In comes a source, out go a `.keras` file and a report. Nothing is imported before it is asked for: `--help` and a usage
error need none of what a conversion needs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from converter.backends.keras.surgery import features, find
    from converter.conversion import convert
    from converter.errors import BadSource, ConversionError, LimitExceeded, NotEquivalent, Unsupported, UsageError
    from converter.report.converted import Conversion

__all__ = [
    "BadSource", "Conversion", "ConversionError", "LimitExceeded", "NotEquivalent", "Unsupported", "UsageError",
    "convert", "features", "find",
]  # fmt: skip

_PLACES = {
    "Conversion": "report.converted",
    "convert": "conversion",
    "features": "backends.keras.surgery",
    "find": "backends.keras.surgery",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    place = importlib.import_module(f"{__name__}.{_PLACES.get(name, 'errors')}")
    value = globals()[name] = getattr(place, name)
    return value
