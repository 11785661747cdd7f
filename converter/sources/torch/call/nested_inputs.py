"""A `forward` that takes tensors in a list, a tuple or a dictionary, as one that takes them one by one.

forward(images, batch)  with  images.0, images.1, batch.mask    →    forward(images_0, images_1, batch_mask)
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree

from converter.input_spec import InputSpec
from converter.sources.torch.call import signature
from converter.sources.torch.call.output_names import path_name
from converter.sources.torch.call.wrapping import wrapped
from passes.errors import UsageError

Tree = Any
"""Lists, tuples and dictionaries; where a tensor belongs there is a `Leaf`."""


class Leaf(str):
    """The name of the input that is to be put here: `images.0`."""


class Nested(torch.nn.Module):
    """`forward` with a parameter for each tensor. `unnest` makes them.

    Attributes:
        trees: for each parameter of the source's forward that holds several, how they lie in it.
    """

    trees: dict[str, Tree]

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        inner: torch.nn.Module = self.__dict__["_module"]
        given = dict(self.__dict__["_signature"].bind(*args, **kwargs).arguments)
        leaves = {name: given.pop(keyword) for name, keyword in signature.aliases(self).items()}
        for parameter, tree in self.trees.items():
            given[parameter] = _pytree.tree_map(lambda leaf: leaves[leaf] if isinstance(leaf, Leaf) else leaf, tree)
        bound = inspect.signature(inner.forward).bind_partial()
        bound.arguments.update({name: given[name] for name in bound.signature.parameters if name in given})
        return inner(*bound.args, **bound.kwargs)


Asked = tuple[torch.nn.Module, tuple[InputSpec, ...], Any]


def unnest(module: torch.nn.Module, specs: tuple[InputSpec, ...], example_inputs: Any) -> Asked:
    """The module, the specifications and the examples as they are, or with a tensor for each input.

    Raises:
        UsageError: the parts of a list are not numbered from 0.
    """
    parameters = {parameter.name: parameter for parameter in signature.parameters(module)}
    if example_inputs is not None:
        return _of_examples(module, parameters, specs, example_inputs)
    trees: dict[str, Tree] = {}
    for spec in specs:
        parameter, dot, rest = spec.name.partition(".")
        if dot and parameter in parameters:
            _plant(trees.setdefault(parameter, {}), rest.split("."), Leaf(spec.name))
    if not trees:
        return module, specs, None
    return _nested(module, {name: _listed(tree, name) for name, tree in trees.items()}), specs, None


def _of_examples(
    module: torch.nn.Module, parameters: Mapping[str, inspect.Parameter], specs: tuple[InputSpec, ...], examples: Any
) -> Asked:
    if isinstance(examples, Mapping):
        given = {str(name): value for name, value in examples.items()}
    else:
        values = examples if isinstance(examples, (tuple, list)) else (examples,)
        reached = signature.positional(list(parameters.values()), len(values))
        if any(parameter.kind is inspect.Parameter.VAR_POSITIONAL for parameter in reached):
            return module, specs, examples
        given = {parameter.name: value for parameter, value in zip(reached, values, strict=True)}
    nested = {name for name, value in given.items() if name in parameters and _holds_tensors(value)}
    if not nested:
        return module, specs, examples
    tensors: dict[str, Any] = {}
    trees: dict[str, Tree] = {}
    for name, value in given.items():
        if name not in nested:
            tensors[name] = value
            continue
        leaves, spec = _pytree.tree_flatten_with_path(value)
        places = [Leaf(f"{name}.{path_name(path)}") if _is_tensor(leaf) else leaf for path, leaf in leaves]
        trees[name] = _pytree.tree_unflatten(places, spec)
        tensors.update({place: leaf for place, (_, leaf) in zip(places, leaves, strict=True) if _is_tensor(leaf)})
    flat = _nested(module, trees)
    return flat, specs, {signature.aliases(flat).get(name, name): value for name, value in tensors.items()}


def _nested(module: torch.nn.Module, trees: dict[str, Tree]) -> Nested:
    own = inspect.signature(module.forward).parameters
    keywords: dict[str, str] = {}
    given: list[inspect.Parameter] = []
    for parameter in own.values():
        if parameter.name not in trees:
            given.append(parameter)
            continue
        for leaf in _pytree.tree_leaves(trees[parameter.name]):
            if isinstance(leaf, Leaf):
                keywords[leaf] = _free(leaf, {*own, *keywords.values()})
                given.append(inspect.Parameter(keywords[leaf], parameter.kind))
    if any(parameter.default is not inspect.Parameter.empty for parameter in given):
        given = [p if p.kind is p.VAR_KEYWORD else p.replace(kind=p.KEYWORD_ONLY) for p in given]
    own_signature = inspect.Signature(given)
    return wrapped(module, Nested, given, _signature=own_signature, trees=trees, **{signature.ALIASES: keywords})


def _plant(tree: dict[str, Any], path: Sequence[str], leaf: Leaf) -> None:
    *branches, last = path
    for branch in branches:
        tree = tree.setdefault(branch, {})
    tree[last] = leaf


def _listed(tree: Tree, name: str) -> Tree:
    """Dictionaries whose keys are numbers are lists."""
    if not isinstance(tree, dict):
        return tree
    inner = {key: _listed(value, f"{name}.{key}") for key, value in tree.items()}
    if not all(key.isdigit() for key in inner):
        return inner
    if sorted(map(int, inner)) != list(range(len(inner))):
        raise UsageError(f"The parts of {name!r} must be numbered from 0. Received: {', '.join(inner)}.")
    return [inner[key] for key in sorted(inner, key=int)]


def _free(leaf: str, taken: set[str]) -> str:
    name = re.sub(r"\W", "_", leaf)
    while name in taken:
        name += "_"
    return name


def _is_tensor(value: Any) -> bool:
    return isinstance(value, (torch.Tensor, np.ndarray))


def _holds_tensors(value: Any) -> bool:
    return not _is_tensor(value) and any(_is_tensor(leaf) for leaf in _pytree.tree_leaves(value))
