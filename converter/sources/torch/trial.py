"""One call of `forward` for real, before anything is traced: which inputs it takes, and what it writes to.

torch.export sees neither: its own error says less than forward's, and of a buffer that is replaced by another tensor,
or of what a module keeps in an attribute of its own, it forgets that it was written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch.utils import _pytree

from converter.input_spec import InputSpec
from converter.sources.torch.call import examples
from converter.sources.torch.call.examples import SIZE_ATTEMPTS, Call
from converter.sources.torch.call.output_names import names_of
from converter.sources.torch.eval_mode import Kept
from converter.sources.torchvision_import import with_torchvision
from passes.errors import BadSource, Unsupported

TOLERANCE = 1e-3
"""Of two calls with the same inputs: far above what a number of threads changes, far below what a memory does."""


def try_call(
    module: torch.nn.Module, specs: Sequence[InputSpec], example_inputs: Any, kept: Kept
) -> tuple[Call, list[str]]:
    """Inputs that `forward` accepts, and the names of the buffers that it writes to.

    The tensors of the module hold afterwards what they held before.

    Raises:
        BadSource: it accepts no inputs of the kind; the message is its own.
        Unsupported: it writes to a parameter, or its outcome depends on calls before through what no buffer holds.
    """
    call, outcome = _accepted(module, specs, example_inputs, kept)
    written = kept.written(module)
    if kept.keeps_more(module):  # tables worked out once, or a memory: that answers a second call otherwise
        before = dict(module.named_buffers())
        again = _run(module, call, kept)
        for name, after in module.named_buffers():
            if name not in written and name in before and after.shape != before[name].shape:
                written.append(name)
        if not written and not _same(outcome, again):
            raise Unsupported(
                f"forward() of {type(module).__name__} keeps what it has seen in an attribute that is no buffer: the "
                "same inputs give something else the second time.",
                hint="Hold it in a buffer (register_buffer), or take it as an input and return it.",
            )
    kept.restore_numbers()
    parameters = [name for name, _ in module.named_parameters() if name in written]
    if parameters:
        raise Unsupported(
            f"forward() of {type(module).__name__} writes to its parameters {', '.join(parameters)}.",
            hint="Hold what changes from call to call in a buffer (register_buffer).",
        )
    return call, written


def _accepted(module: torch.nn.Module, specs: Sequence[InputSpec], example_inputs: Any, kept: Kept) -> tuple[Call, Any]:
    first: Exception | None = None
    for call in _candidates(module, specs, example_inputs):
        try:
            outcome = with_torchvision(partial(_run, module, call, kept))  # forward may be what imports it
        except Exception as error:  # noqa: BLE001 - whatever the user's forward raises
            first = error if first is None or not specs else first
        else:
            call.output_names = names_of(outcome)
            return call, outcome
    received = ", ".join(str(spec) for spec in examples.from_specs(module, specs).specs) if specs else "the examples"
    raise BadSource(
        f"forward() of {type(module).__name__} fails on its inputs ({received}): {type(first).__name__}: {first}",
        hint="Check the shapes and types given with --input.",
    ) from first


def _candidates(module: torch.nn.Module, specs: Sequence[InputSpec], example_inputs: Any) -> Iterator[Call]:
    if example_inputs is not None:
        yield examples.from_tensors(module, example_inputs)
        yield examples.from_tensors(module, example_inputs, dynamic=False)  # a state may hold one batch size only
        return
    free = {symbol for spec in specs for symbol in spec.symbols} - {examples.batch_symbol(specs)}
    for attempt in range(len(SIZE_ATTEMPTS) if free else 1):
        yield examples.from_specs(module, specs, attempt)


def _run(module: torch.nn.Module, call: Call, kept: Kept) -> Any:
    """With the same random numbers each time: dropout that is left on is no memory."""
    with torch.no_grad(), torch.random.fork_rng(devices=[]), kept.running():
        torch.manual_seed(0)
        return module(*call.args, **call.kwargs)


def _same(first: Any, second: Any) -> bool:
    pairs = list(zip(_pytree.tree_leaves(first), _pytree.tree_leaves(second), strict=False))
    return all(
        a.shape == b.shape and torch.allclose(a.double(), b.double(), TOLERANCE, TOLERANCE, equal_nan=True)
        for a, b in pairs
        if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor) and not a.is_complex()
    )
