"""Other packages' progress and deprecation chatter, kept away. Their errors are exceptions, and still arrive."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator

_CHATTY = ("torch.onnx", "torch.export", "torch._export", "torch.fx", "torch._dynamo", "onnxscript", "onnx_ir")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No warnings and no log lines of the exporter: what it logs as an error, it also raises."""
    loggers = [logging.getLogger(name) for name in _CHATTY]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for logger in loggers:
                logger.setLevel(logging.CRITICAL)
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def first_lines(error: BaseException, lines: int = 6, width: int = 800) -> str:
    """The beginning of a message of torch, which may go on for pages."""
    kept = [line for line in str(error).strip().splitlines() if line.strip()][:lines]
    return " ".join(kept)[:width].rstrip(".")
