"""A torch.nn.Module as the source: weights put in, inputs made, exported with a dynamic batch where possible."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import onnx_ir as ir
import torch

from converter.input_spec import InputSpec
from converter.options import Options
from converter.sources.checkpoints.fill import Filled, fill
from converter.sources.checkpoints.mapped_file import let_go
from converter.sources.memory_budget import check_module
from converter.sources.source import Source
from converter.sources.torch.call import examples, signature
from converter.sources.torch.call.examples import Call
from converter.sources.torch.call.nested_inputs import unnest
from converter.sources.torch.call.output_names import nameless_outputs
from converter.sources.torch.call.stateful import Stateful, name_states, stateful, with_states
from converter.sources.torch.eval_mode import evaluating
from converter.sources.torch.export import Exported, export
from converter.sources.torch.mapped_graph import map_weights
from converter.sources.torch.random_weights import randomise
from converter.sources.torch.trial import try_call
from passes.errors import BadSource, Unsupported, UsageError
from passes.graph.weight_views import mark_frozen


def load_module(module: torch.nn.Module, options: Options, *, description: str | None = None) -> Source:
    """Export `module`. Its mode, and its weights, are afterwards what they were: new weights go into a copy."""
    check_module(module, options.max_bytes)
    built = Filled(module)
    if options.has_weights:
        built = filled(lambda: _copy(module), options, is_factory=False)
    if module.training:
        built.notes.insert(0, "The module was in training mode; it is converted as eval() has it.")
    description = description or f"{type(module).__module__}.{type(module).__qualname__}"
    return load_filled(built, options, kind="module", description=description)


def filled(build: Callable[[], torch.nn.Module], options: Options, *, is_factory: bool = True) -> Filled:
    """What `build` gives, with the weights of the checkpoint, where there is one.

    Args:
        is_factory: whether `build` makes a module, or copies one.
    """
    if options.checkpoint is None:
        return Filled(build())
    path, trust, most = Path(options.checkpoint), options.trust, options.max_bytes
    return fill(build, path, trust=trust, max_bytes=most, is_factory=is_factory)


def load_filled(built: Filled, options: Options, *, kind: str, description: str) -> Source:
    """Export a module that is ours to change."""
    module, notes = built.module, list(built.notes)
    check_module(module, options.max_bytes)
    if built.weights is not None:
        description += f", weights from {built.weights}"
    if options.example_inputs is None and not options.inputs:
        raise UsageError(
            f"The inputs of {type(module).__name__} are not known.",
            hint=f"Give --input {_spec_to_fill_in(module)} (or example_inputs= from Python).",
        )
    if options.example_inputs is not None and options.inputs:
        raise UsageError("Both example inputs and input specifications were given.", hint="Leave one of the two out.")
    with evaluating(module) as kept:
        module, specs, example_inputs = unnest(module, options.specs, options.example_inputs)
        call, written = try_call(module, specs, example_inputs, kept)
        _refuse_complex(call)
        if options.random_weights is not None:
            kept.accept(randomise(module, call, options.random_weights))
            description += f", random weights (seed {options.random_weights})"
        if written:
            module, call = _stateful(module, call, written, options.state)
        let_go(built.files)
        model, call = _export_dynamic(module, call, notes)
        mark_frozen(model, (name for name, parameter in module.named_parameters() if not parameter.requires_grad))
    map_weights(model, built.files)
    let_go(built.files)
    states = name_states(model, written)
    inputs = tuple(InputSpec.of(value) for value in model.graph.inputs)
    nameless = nameless_outputs(model, call.output_names) - frozenset(states.values())
    return Source(
        model,
        description,
        kind,
        torch_module=module,
        example_inputs=call.values,
        inputs=inputs,
        notes=notes,
        states=states,
        nameless=nameless,
        let_go=partial(let_go, built.files),
    )


def _stateful(module: torch.nn.Module, call: Call, written: Sequence[str], state: str) -> tuple[Stateful, Call]:
    """The module with its state as inputs and outputs, where that was asked for.

    Raises:
        Unsupported: it was not: a file would hold what the buffers were by chance.
    """
    if state != "inputs":
        raise Unsupported(
            f"forward() of {type(module).__name__} writes to its buffers {', '.join(map(repr, written))}: what it "
            "computes depends on the calls before.",
            hint='--state inputs (state="inputs" from Python) makes an input and an output of each.',
        )
    wrapped = stateful(module, written)
    return wrapped, with_states(wrapped, call)


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
