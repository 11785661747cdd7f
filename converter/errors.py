"""The errors of keraport, for those who catch them. They are defined beside the passes, which raise them too."""

from passes.errors import (
    BadSource,
    ConversionError,
    ExportFailed,
    LimitExceeded,
    NotEquivalent,
    NotExportable,
    Unsupported,
    UsageError,
)

__all__ = [
    "BadSource",
    "ConversionError",
    "ExportFailed",
    "LimitExceeded",
    "NotEquivalent",
    "NotExportable",
    "Unsupported",
    "UsageError",
]
