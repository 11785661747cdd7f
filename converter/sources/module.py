"""A torch.nn.Module as the source: weights put in, inputs made, exported with a dynamic batch where possible."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx_ir as ir
import torch

from converter.sources import examples, signature
from converter.sources.budget import check_module
from converter.sources.checkpoint import load_checkpoint
from converter.sources.evaluating import evaluating
from converter.sources.examples import SIZE_ATTEMPTS, Call
from converter.sources.export import Exported, export
from converter.sources.random_weights import randomise
from converter.sources.source import Source
from converter.sources.spec import InputSpec
from passes.errors import BadSource, Unsupported, UsageError


def load_module(
    module: torch.nn.Module,
    *,
    specs: Sequence[InputSpec] = (),
    example_inputs: Any = None,
    checkpoint: str | Path | None = None,
    random_weights: int | None = None,
    trust: bool = False,
    max_bytes: int | None = None,
    kind: str = "module",
    description: str | None = None,
) -> Source:
    """Export `module`. Its mode, and its weights, are afterwards what they were: new weights go into a copy."""
    check_module(module, max_bytes)
    notes: list[str] = []
    description = description or f"{type(module).__module__}.{type(module).__qualname__}"
    if checkpoint is not None or random_weights is not None:
        module = _copy(module) if kind == "module" else module
    if checkpoint is not None:
        notes += load_checkpoint(module, Path(checkpoint), trust=trust, max_bytes=max_bytes)
        description += f", weights from {Path(checkpoint).name}"
    if example_inputs is None and not specs:
        raise UsageError(
            f"The inputs of {type(module).__name__} are not known.",
            hint=f"Give --input {_spec_to_fill_in(module)} (or example_inputs= from Python).",
        )
    if example_inputs is not None and specs:
        raise UsageError("Both example inputs and input specifications were given.", hint="Leave one of the two out.")
    with evaluating(module):
        call = _working_call(module, specs, example_inputs)
        _refuse_complex(call)
        if random_weights is not None:
            randomise(module, call, random_weights)
            description += f", random weights (seed {random_weights})"
        model, call = _export_dynamic(module, call, notes)
    inputs = tuple(InputSpec.of(value) for value in model.graph.inputs)
    return Source(model, description, kind, None, module, call.values, inputs, notes)


def _copy(module: torch.nn.Module) -> torch.nn.Module:
    """A copy for other weights, without what the module keeps of those that it has."""
    with evaluating(module):
        try:
            return copy.deepcopy(module)
        except Exception as error:  # whatever the user's module holds
            raise UsageError(
                f"{type(module).__name__} cannot be copied, so it cannot get other weights: {error}",
                hint="Load the weights with load_state_dict() first, and leave out checkpoint= and random_weights=.",
            ) from error


def _working_call(module: torch.nn.Module, specs: Sequence[InputSpec], example_inputs: Any) -> Call:
    """Inputs that `forward` accepts: tried for real, because its own error says more than the exporter's."""
    first: Exception | None = None
    free = {symbol for spec in specs for symbol in spec.symbols} - {examples.batch_symbol(specs)}
    for attempt in range(len(SIZE_ATTEMPTS) if free else 1):
        call = (
            examples.from_specs(module, specs, attempt)
            if example_inputs is None
            else examples.from_tensors(module, example_inputs)
        )
        try:
            with torch.no_grad():
                call.output_names = examples.output_names(module(*call.args, **call.kwargs))
            return call
        except Exception as error:  # noqa: BLE001 - whatever the user's forward raises
            first = first or error
    received = ", ".join(str(spec) for spec in examples.from_specs(module, specs).specs) if specs else "the examples"
    raise BadSource(
        f"forward() of {type(module).__name__} fails on its inputs ({received}): {type(first).__name__}: {first}",
        hint="Check the shapes and types given with --input.",
    ) from first


def _refuse_complex(call: Call) -> None:
    """PyTorch's exporter makes a pair of real numbers of each, silently."""
    for spec in call.specs:
        if spec.dtype.startswith("complex"):
            raise Unsupported(
                f"Input {spec.name!r} is {spec.dtype}: Keras layers compute with real numbers.",
                hint="Wrap the module in one whose forward() takes real and imaginary parts.",
            )


def _export_dynamic(module: torch.nn.Module, call: Call, notes: list[str]) -> tuple[ir.Model, Call]:
    """Export with the dynamic axes asked for; a batch that cannot be dynamic is fixed, with a note that says why."""
    batch = examples.batch_symbol(call.specs)
    try:
        exported = export(module, call)
        reason = exported.fixed.get(batch) if batch is not None else None
    except BadSource as error:
        if batch is None:
            raise
        reason = error.message
    if reason is not None and batch is not None:
        call, exported = _export_static(module, call, batch)
        size = call.specs[0].shape[0]
        notes.append(f"The batch could not be exported as a dynamic dimension and is fixed at {size}: {reason}.")
    for symbol, why in exported.fixed.items():
        raise UsageError(
            f"The dimension {symbol!r} of the inputs of {type(module).__name__} cannot be dynamic: {why}.",
            hint="Give a number in its place.",
        )
    notes += exported.notes
    return exported.model, call


def _export_static(module: torch.nn.Module, call: Call, batch: str) -> tuple[Call, Exported]:
    """Export with a batch of one; where forward() does not take that, with the batch of the examples."""
    one = examples.fix_batch(call, batch, 1)
    try:
        return one, export(module, one)
    except BadSource:
        more = examples.fix_batch(call, batch, examples.BATCH_SIZE)
        return more, export(module, more)


def _spec_to_fill_in(module: torch.nn.Module) -> str:
    return " --input ".join(f"'{name}=float32[batch,...]'" for name in signature.input_names(module)[:1] or ["x"])
