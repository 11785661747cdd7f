"""What the outputs of a module are called: by keys and fields, since tensors have no names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx_ir as ir
import torch
from torch.export.graph_signature import ConstantArgument
from torch.utils import _pytree


def names_of(output: Any) -> list[str] | None:
    """The keys of a dict and the fields of a named tuple or a dataclass, nested ones joined by dots: `out`, `boxes.0`.

    None where nothing in it has a name, as of a tensor or a tuple of tensors, or where it holds something else.
    """
    leaves = [(path, leaf) for path, leaf in _pytree.tree_flatten_with_path(output)[0] if leaf is not None]
    named = any(not isinstance(key, _pytree.SequenceKey) for path, _ in leaves for key in path)
    if not named or not all(isinstance(leaf, torch.Tensor) for _, leaf in leaves):
        return None
    names = [path_name(path) for path, _ in leaves]
    return names if len(set(names)) == len(names) else None


def names_of_program(program: torch.export.ExportedProgram) -> list[str] | None:
    """The same of what a captured program gives."""
    if program.call_spec.out_spec is None:
        return None
    tensor = torch.empty(0)
    user = [spec.arg for spec in program.graph_signature.output_specs if spec.kind.name == "USER_OUTPUT"]
    leaves = [arg.value if isinstance(arg, ConstantArgument) else tensor for arg in user]
    return names_of(_pytree.tree_unflatten(leaves, program.call_spec.out_spec))


def nameless_outputs(model: ir.Model, names: Sequence[str] | None) -> frozenset[str]:
    """The outputs of an exported graph that the exporter has named."""
    return frozenset(str(value.name) for value in model.graph.outputs) if names is None else frozenset()


def path_name(path: Sequence[Any]) -> str:
    """The way to a leaf of a nested structure, its keys, fields and places joined by dots."""
    return ".".join(map(_part, path))


def _part(key: Any) -> str:
    if isinstance(key, _pytree.MappingKey):
        return str(key.key)
    return str(key.idx) if isinstance(key, _pytree.SequenceKey) else str(key.name)
