"""A torch.export program, `.pt2`, as the source."""

from __future__ import annotations

from pathlib import Path

import torch

from converter.input_spec import InputSpec
from converter.sources import memory_budget
from converter.sources.checkpoints.program import read_program
from converter.sources.source import Source
from converter.sources.torch.call.output_names import nameless_outputs, names_of_program
from converter.sources.torch.export import settle_sizes, to_onnx
from converter.sources.torch.program_state import written_buffers
from passes.errors import BadSource, Unsupported, UsageError


def load_exported(
    path: Path, *, specs: tuple[InputSpec, ...] = (), trust: bool = False, max_bytes: int | None = None
) -> Source:
    """Read the program and translate it; its dynamic sizes are those it was exported with.

    Raises:
        BadSource: unreadable, or holding what could run code (unless `trust`); `check_program` says what that is.
    """
    if not path.is_file():
        raise BadSource(f"There is no file {str(path)!r}.")
    if specs:
        raise UsageError(
            f"{path.name} has its own inputs; --input cannot change them.",
            hint="Export the program again with other dynamic shapes.",
        )
    memory_budget.check(path.stat().st_size, f"The program {path.name}", max_bytes)
    return from_program(read_program(path, trust=trust), path.name)


def from_program(program: torch.export.ExportedProgram, description: str = "a torch.export program") -> Source:
    """Translate a program that is already in memory.

    Raises:
        Unsupported: it writes to its buffers.
    """
    written = written_buffers(program)
    if written:
        raise Unsupported(
            f"{description} writes to its buffers {', '.join(map(repr, written))}: what it computes depends on the "
            "calls before.",
            hint='Convert the module itself with --state inputs (state="inputs" from Python).',
        )
    names = names_of_program(program)
    model = to_onnx(program, output_names=names)
    notes = settle_sizes(model, program, {}).notes
    example = program.example_inputs
    values = (*example[0], *example[1].values()) if example is not None else None
    inputs = tuple(InputSpec.of(value) for value in model.graph.inputs)
    return Source(
        model,
        description,
        "exported",
        example_inputs=values,
        inputs=inputs,
        notes=notes,
        nameless=nameless_outputs(model, names),
    )
