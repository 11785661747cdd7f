"""Example inputs for an export: from `--input` specifications, or from tensors that the caller gives.

Either way the result is one `Call`: what is passed to `forward`, and which axes are dynamic under which name.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from converter.input_spec import DTYPES, InputSpec
from converter.sources.torch.call import signature
from passes.errors import UsageError

BATCH = "batch"
BATCH_SIZE = 2
"""torch.export takes a size of 1 for a constant, so a dynamic batch is traced with two examples."""

SIZE_ATTEMPTS = ((64, 96, 80, 112), (224, 256, 192, 288), (16, 32, 24, 48), (1024, 1536, 1280, 2048), (5, 7, 6, 8))
"""Sizes for dynamic axes other than the batch, tried in this order until `forward` accepts them; all different, so
that two axes are never taken for one. Networks want multiples of 32 and at least their receptive field; the last are
for sequences that a small table of positions bounds."""


@dataclass
class Argument:
    """One argument of `forward`: its parameter, its value, and its specification when it is a tensor."""

    parameter: inspect.Parameter
    value: Any
    spec: InputSpec | None
    by_keyword: bool = False


@dataclass
class Call:
    """A call of `forward`, ready for the exporter."""

    arguments: list[Argument]
    output_names: list[str] | None = None

    @property
    def specs(self) -> list[InputSpec]:
        return [argument.spec for argument in self.arguments if argument.spec is not None]

    @property
    def args(self) -> tuple[Any, ...]:
        return tuple(argument.value for argument in self.arguments if not argument.by_keyword)

    @property
    def kwargs(self) -> dict[str, Any]:
        return {a.parameter.name: a.value for a in self.arguments if a.by_keyword}

    @property
    def values(self) -> tuple[Any, ...]:
        return tuple(argument.value for argument in self.arguments)

    @property
    def input_names(self) -> list[str] | None:
        """The names asked for, where they are not the parameters' own."""
        named = [a.spec is not None and a.spec.name == a.parameter.name for a in self.arguments]
        return None if all(named) or not self.specs else [spec.name for spec in self.specs]

    def dynamic_shapes(self) -> dict[str, Any] | None:
        """For each parameter the dynamic axes, in the form torch.export wants; None when nothing is dynamic."""
        if not any(spec.symbols for spec in self.specs):
            return None
        shapes: dict[str, Any] = {}
        for argument in self.arguments:
            spec, parameter = argument.spec, argument.parameter
            axes = None
            if spec is not None:
                axes = {axis: torch.export.Dim.DYNAMIC for axis, dim in enumerate(spec.shape) if isinstance(dim, str)}
            if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                shapes[parameter.name] = (*shapes.get(parameter.name, ()), axes)
            else:
                shapes[parameter.name] = axes
        return shapes


def from_specs(module: torch.nn.Module, specs: Sequence[InputSpec], attempt: int = 0) -> Call:
    """Random inputs of the specified shapes.

    Names that are parameters of `forward` are passed as such; if any is not, all are taken in the order given and
    become the names of the graph's inputs.
    """
    parameters = signature.parameters(module)
    by_name = {p.name: p for p in parameters if p.kind is not inspect.Parameter.VAR_POSITIONAL}
    by_name = {name: by_name.pop(own) for name, own in signature.aliases(module).items()} | by_name
    if all(spec.name in by_name for spec in specs):
        specs = sorted(specs, key=lambda spec: parameters.index(by_name[spec.name]))
        chosen = [by_name[spec.name] for spec in specs]
    else:
        chosen = signature.positional(parameters, len(specs))
    given = {parameter.name for parameter in chosen}
    missing = [p.name for p in parameters if p.name not in given and signature.required(p)]
    if missing:
        raise UsageError(
            f"forward() of {type(module).__name__} also needs {', '.join(missing)}.",
            hint="Give one --input name=float32[batch,...] for each.",
        )
    reached = signature.reached(parameters, chosen)
    sizes = _sizes(specs, attempt)
    device = _device(module)
    generator = torch.Generator().manual_seed(0)
    arguments = []
    for parameter, spec in zip(chosen, specs, strict=True):
        shape = [sizes[dim] if isinstance(dim, str) else dim for dim in spec.shape]
        value = _random(shape, spec.dtype, generator).to(device)
        arguments.append(Argument(parameter, value, spec, parameter.name not in reached))
    return Call(arguments)


def from_tensors(module: torch.nn.Module, example_inputs: Any, *, dynamic: bool = True) -> Call:
    """The caller's own inputs. The first axis is the batch where all tensors agree on its size; the rest is fixed.

    Without `dynamic` the first axis is fixed as well.

    Raises:
        UsageError: they do not fit `forward`.
    """
    parameters = signature.parameters(module)
    if isinstance(example_inputs, Mapping):
        by_name = {parameter.name: parameter for parameter in parameters}
        unknown = [name for name in example_inputs if name not in by_name]
        if unknown:
            raise UsageError(
                f"forward() of {type(module).__name__} has no parameter {', '.join(map(repr, unknown))}.",
                hint=f"It has {', '.join(by_name)}.",
            )
        pairs = [(by_name[name], example_inputs[name]) for name in by_name if name in example_inputs]
    else:
        values = example_inputs if isinstance(example_inputs, (tuple, list)) else (example_inputs,)
        pairs = list(zip(signature.positional(parameters, len(values)), values, strict=True))
    names = {own: name for name, own in signature.aliases(module).items()}
    device, reached = _device(module), signature.reached(parameters, [parameter for parameter, _ in pairs])
    tensors = [
        (parameter, torch.from_numpy(value) if isinstance(value, np.ndarray) else value) for parameter, value in pairs
    ]
    batches = {v.shape[0] for _, v in tensors if isinstance(v, torch.Tensor) and v.ndim > 0}
    has_batch = dynamic and len(batches) == 1
    arguments = []
    for index, (parameter, value) in enumerate(tensors):
        spec = None
        if isinstance(value, torch.Tensor):
            value = value.detach().to(device)
            shape: tuple[int | str, ...] = tuple(value.shape)
            if has_batch and shape:
                value = value.repeat_interleave(BATCH_SIZE, dim=0) if shape[0] == 1 else value
                shape = (BATCH, *shape[1:])
            name = (
                names.get(parameter.name, parameter.name)
                if parameter.kind is not inspect.Parameter.VAR_POSITIONAL
                else f"{parameter.name}_{index}"
            )
            spec = InputSpec(name, str(value.dtype).removeprefix("torch."), shape)
        arguments.append(Argument(parameter, value, spec, parameter.name not in reached))
    return Call(arguments)


def fix_batch(call: Call, symbol: str, size: int) -> Call:
    """The same call with the batch fixed at `size`."""
    arguments = []
    for argument in call.arguments:
        spec, value = argument.spec, argument.value
        if spec is not None and symbol in spec.shape:
            for axis, dim in enumerate(spec.shape):
                if dim == symbol:
                    value = value.narrow(axis, 0, size) if size <= value.shape[axis] else value
            shape = tuple(size if dim == symbol else dim for dim in spec.shape)
            spec = InputSpec(spec.name, spec.dtype, shape)
        arguments.append(Argument(argument.parameter, value, spec, argument.by_keyword))
    return Call(arguments, call.output_names)


def resized(call: Call, sizes: Mapping[str, int]) -> Call:
    """The same call at other dynamic sizes, with random numbers in its tensors."""
    generator = torch.Generator().manual_seed(1)
    arguments = []
    for argument in call.arguments:
        spec, value = argument.spec, argument.value
        if spec is not None and spec.symbols:
            named = zip(spec.shape, value.shape, strict=True)
            shape = [sizes.get(dim, size) if isinstance(dim, str) else dim for dim, size in named]
            value = _random(shape, spec.dtype, generator).to(value.device)
        arguments.append(Argument(argument.parameter, value, spec, argument.by_keyword))
    return Call(arguments, call.output_names)


def batch_symbol(specs: Sequence[InputSpec]) -> str | None:
    """The name of the dynamic first axis that the inputs share, if there is one."""
    leading = [spec.shape[0] for spec in specs if spec.shape]
    return leading[0] if leading and isinstance(leading[0], str) else None


def _sizes(specs: Sequence[InputSpec], attempt: int) -> dict[str, int]:
    batch = batch_symbol(specs)
    symbols = dict.fromkeys(symbol for spec in specs for symbol in spec.symbols if symbol != batch)
    choices = SIZE_ATTEMPTS[attempt]
    # Beyond the listed sizes any other will do, as long as no two are equal.
    sizes = {symbol: choices[i] if i < len(choices) else choices[-1] + 32 * i for i, symbol in enumerate(symbols)}
    return sizes if batch is None else {batch: BATCH_SIZE, **sizes}


def _random(shape: Sequence[int], dtype: str, generator: torch.Generator) -> torch.Tensor:
    if dtype not in DTYPES:
        raise UsageError(f"Unknown input type {dtype!r}.")
    kind = getattr(torch, dtype)
    if kind.is_floating_point or kind.is_complex:
        return torch.randn(list(shape), generator=generator).to(kind)
    # 0 and 1 are valid token ids, indices and masks everywhere.
    return torch.randint(0, 2, list(shape), generator=generator).to(kind)


def _device(module: torch.nn.Module) -> torch.device:
    tensor = next(module.parameters(), None)
    return torch.device("cpu") if tensor is None else tensor.device
