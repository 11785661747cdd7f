"""A module whose state goes in and out: each buffer that `forward` writes to is one more input and one more output."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from typing import Any

import onnx_ir as ir
import torch

from converter.input_spec import InputSpec
from converter.sources.torch.call.examples import Argument, Call
from converter.sources.torch.call.wrapping import wrapped

OUTPUT_SUFFIX = "_out"
"""In ONNX no input and output share a name."""


class Stateful(torch.nn.Module):
    """`forward(..., *, STATE=...)` → (what the module returns, every new state). `stateful` makes them.

    Attributes:
        keywords: the names of the states to those of the parameters of `forward`.
    """

    keywords: dict[str, str]

    def forward(self, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        inner: torch.nn.Module = self.__dict__["_module"]
        places = {state: _place(inner, state) for state in self.keywords}
        before = {state: buffers[leaf] for state, (buffers, leaf) in places.items()}
        try:
            for state, keyword in self.keywords.items():
                buffers, leaf = places[state]
                buffers[leaf] = kwargs.pop(keyword).clone()
            outputs = inner(*args, **kwargs)
            return (outputs, *(buffers[leaf] for buffers, leaf in places.values()))
        finally:
            for state, (buffers, leaf) in places.items():
                buffers[leaf] = before[state]


def stateful(module: torch.nn.Module, states: Sequence[str]) -> Stateful:
    """The module with its state as arguments; itself it is not changed.

    Args:
        states: the names of its buffers.
    """
    signature = inspect.signature(module.forward)
    keywords = _keywords(states, set(signature.parameters))
    given = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    more = [inspect.Parameter(keyword, inspect.Parameter.KEYWORD_ONLY) for keyword in keywords.values()]
    return wrapped(module, Stateful, [*given, *more], keywords=keywords)


def with_states(module: Stateful, call: Call) -> Call:
    """The call with the buffers' values as arguments, shapes fixed."""
    parameters = inspect.signature(module.forward).parameters
    arguments = list(call.arguments)
    for state, keyword in module.keywords.items():
        buffers, leaf = _place(module, state)
        value = buffers[leaf].detach().clone()
        spec = InputSpec(state, str(value.dtype).removeprefix("torch."), tuple(value.shape))
        arguments.append(Argument(parameters[keyword], value, spec, by_keyword=True))
    names = None if call.output_names is None else [*call.output_names, *(s + OUTPUT_SUFFIX for s in module.keywords)]
    return Call(arguments, names)


def name_states(model: ir.Model, states: Sequence[str]) -> dict[str, str]:
    """Name the last outputs of an exported graph after the states; which input belongs to which output."""
    last = model.graph.outputs[len(model.graph.outputs) - len(states) :]
    names = {value.name for node in model.graph.all_nodes() for value in node.outputs if value not in last}
    pairs: dict[str, str] = {}
    for state, value in zip(states, last, strict=True):
        name = state + OUTPUT_SUFFIX
        while name in names:
            name += "_"
        value.name = pairs[state] = name
    return pairs


def _place(module: torch.nn.Module, state: str) -> tuple[dict[str, Any], str]:
    path, _, leaf = state.rpartition(".")
    return module.get_submodule(path)._buffers, leaf


def _keywords(states: Sequence[str], taken: set[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for state in states:
        name = re.sub(r"\W", "_", state)
        while name in taken:
            name += "_state"
        taken.add(name)
        found[state] = name
    return found
