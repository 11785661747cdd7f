"""A torch.export program, `.pt2`, read without running what may be in it."""

from __future__ import annotations

from pathlib import Path

import torch

from converter.sources.checkpoints.program_checks import check_program
from converter.sources.quiet import first_lines, quiet
from passes.errors import BadSource


def read_program(path: Path, *, trust: bool = False) -> torch.export.ExportedProgram:
    """Raises:
    BadSource: unreadable, or holding what could run code (unless `trust`); `check_program` says what that is."""
    if not path.is_file():
        raise BadSource(f"There is no file {str(path)!r}.")
    if not trust:
        check_program(path)
    try:
        with quiet():
            return torch.export.load(path)
    except Exception as error:  # torch raises whatever the damaged part breaks
        said = f"{type(error).__name__}: {first_lines(error)}"
        raise BadSource(f"The program {path.name} cannot be read: {said}") from error
