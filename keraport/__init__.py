"""keraport: PyTorch models and ONNX files as real Keras 3 models, proven equal.

The name on the box. What it gives is defined in the packages `converter` and `passes`, which a wheel has inside of this
one; see setup.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from converter import (
        BadSource,
        Conversion,
        ConversionError,
        LimitExceeded,
        NotEquivalent,
        Unsupported,
        UsageError,
        convert,
        features,
        find,
    )

    __version__: str

__all__ = [
    "BadSource", "Conversion", "ConversionError", "LimitExceeded", "NotEquivalent", "Unsupported", "UsageError",
    "__version__", "convert", "features", "find",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("keraport")
    else:
        import converter

        value = getattr(converter, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
