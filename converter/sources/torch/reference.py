"""What the module itself computes: the second opinion beside onnxruntime, and in float64 the measure of both."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree

from converter.sources.source import Source
from converter.sources.torch.call import signature
from converter.sources.torch.call.stateful import Stateful
from converter.sources.torch.eval_mode import evaluating

Array = np.ndarray[Any, np.dtype[Any]]


class Reference:
    """The module of a source, called with the inputs of its graph.

    Args:
        source: must have a `torch_module`.
        double: compute in float64, on a copy of the module.
    """

    def __init__(self, source: Source, *, double: bool = False) -> None:
        if source.torch_module is None:
            raise ValueError("This source has no torch module.")
        self._source = source
        self._double = double
        self._module = copy.deepcopy(source.torch_module).double() if double else source.torch_module
        source.let_go()

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        """Every tensor among the module's outputs, in the order in which the exporter lists them.

        Whatever `forward` raises comes through, for example because it does not take this batch size.
        """
        with torch.no_grad(), evaluating(self._module) as kept, kept.running():
            result = self._call({spec.name: self._tensor(feeds[spec.name]) for spec in self._source.inputs})
        self._source.let_go()
        tensors = [leaf for leaf in _pytree.tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        return [_array(tensor) for tensor in tensors]

    def gradients(
        self, feeds: Mapping[str, Array], factors: Callable[[Sequence[int]], Array]
    ) -> tuple[dict[str, Array], list[tuple[int, ...]]]:
        """What the sum of all floating-point outputs, each times its factors, changes with every trained parameter.

        Returns:
            The gradients by the parameters' names, and the shapes of all outputs.
        """
        named = {name: value for name, value in self._module.named_parameters() if value.requires_grad}
        with torch.enable_grad(), evaluating(self._module) as kept, kept.running():
            result = self._call({spec.name: self._tensor(feeds[spec.name]) for spec in self._source.inputs})
            tensors = [leaf for leaf in _pytree.tree_leaves(result) if isinstance(leaf, torch.Tensor)]
            parts = [
                (tensor * torch.from_numpy(factors(tensor.shape))).sum()
                for tensor in tensors
                if tensor.is_floating_point()
            ]
            found = torch.autograd.grad(sum(parts[1:], parts[0]), list(named.values()), allow_unused=True)
        zeros = (
            torch.zeros_like(value) if grad is None else grad for value, grad in zip(named.values(), found, strict=True)
        )
        return {name: _array(grad) for name, grad in zip(named, zeros, strict=True)}, [tuple(t.shape) for t in tensors]

    def _call(self, tensors: dict[str, torch.Tensor]) -> Any:
        states: dict[str, torch.Tensor] = {}
        examples = self._source.example_inputs or ()
        if isinstance(self._module, Stateful):  # their arguments come last, by keyword
            states = {keyword: tensors.pop(state) for state, keyword in self._module.keywords.items()}
            examples = examples[: len(examples) - len(states)]
        names = signature.aliases(self._module)
        tensors = {names.get(name, name): tensor for name, tensor in tensors.items()}
        parameters = inspect.signature(self._module.forward).parameters
        if len(examples) == len(tensors) and all(name in parameters for name in tensors):
            return self._module(**tensors, **states)
        left = iter(tensors.values())
        values = [next(left) if isinstance(value, torch.Tensor) else value for value in examples or tensors.values()]
        return self._module(*values, **states)

    def _tensor(self, array: Array) -> torch.Tensor:
        if array.dtype.name == "bfloat16":
            tensor = torch.from_numpy(array.astype(np.float32)).to(torch.bfloat16)
        else:
            tensor = torch.from_numpy(np.array(array, order="C"))
        return tensor.double() if self._double and tensor.is_floating_point() else tensor


def parameter_bytes(source: Source) -> int:
    """What the module's parameters and buffers take in memory."""
    module = source.torch_module
    tensors = [] if module is None else [*module.parameters(), *module.buffers()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _array(tensor: torch.Tensor) -> Array:
    tensor = tensor.detach().cpu().contiguous()
    if tensor.dtype == torch.bfloat16:
        import ml_dtypes

        return np.asarray(tensor.float().numpy()).astype(ml_dtypes.bfloat16)
    return np.asarray(tensor.numpy())
