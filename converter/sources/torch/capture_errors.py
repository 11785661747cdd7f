"""Why torch.export could not trace a module, in the terms of whoever wrote its forward()."""

from __future__ import annotations

import linecache
import re
import traceback
from pathlib import Path

import torch
from torch.nn.modules import rnn

from converter.sources.quiet import first_lines
from passes.errors import ExportFailed

_OTHERS = (str(Path(torch.__file__).parent), str(Path(__file__).parents[2]), "<")
"""Where frames are not the user's: torch, keraport, generated code."""

_OF_DATA = re.compile(
    r"data-dependent|DataDependent|dynamic control flow|\.item\(\)|_local_scalar_dense", re.IGNORECASE
)


def capture_failed(module: torch.nn.Module, error: Exception) -> ExportFailed:
    """The error to raise: which line of forward() it is, and what can be done about it."""
    name, place = type(module).__name__, _place(error)
    at = f" At {place}." if place else ""
    if _OF_DATA.search(f"{type(error).__name__}: {error}"):
        return ExportFailed(
            f"forward() of {name} goes a way that depends on the numbers in its tensors, and a graph has one way.{at}",
            hint="Choose between values with torch.where, give loops a number of steps that is known, or convert the "
            "modules around this line by themselves.",
        )
    if is_packed(error):
        return ExportFailed(
            f"forward() of {name} packs its sequences (pack_padded_sequence), which torch.export cannot capture.{at}",
            hint="Give the padded tensor to the recurrent module and choose the last states by the lengths, or convert "
            "the modules around this line by themselves.",
        )
    return ExportFailed(
        f"torch.export could not capture {name}. {type(error).__name__}: {first_lines(error, lines=3, width=400)}.{at}",
        hint="torch.export must be able to trace forward(): tensors in, tensors out, torch's own operators between.",
    )


def is_packed(error: BaseException) -> bool:
    """Whether a recurrent module was given a PackedSequence."""
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    of_modules = (frame for frame in frames if frame.f_code.co_filename == rnn.__file__)
    return any(frame.f_locals.get("batch_sizes") is not None for frame in of_modules)


def _place(error: BaseException) -> str | None:
    """The innermost line that is the user's, as `code` (file:line); dynamo keeps it in `real_stack`."""
    frames = [*getattr(error, "real_stack", ())]
    seen: BaseException | None = error
    while seen is not None and not frames:
        found = traceback.extract_tb(seen.__traceback__)
        frames = [frame for frame in found if not frame.filename.startswith(_OTHERS)]
        seen = seen.__cause__ or seen.__context__
    frames = [frame for frame in frames if not frame.filename.startswith(_OTHERS)]
    if not frames:
        return None
    frame = frames[-1]
    code = (frame.line or linecache.getline(frame.filename, frame.lineno or 0)).strip()
    return f"`{code}` ({frame.filename}:{frame.lineno})"
