"""An exported graph whose weights lie in files: it reads them from there, and what was looked at can be let go."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir
import torch

from converter.sources.checkpoints.mapped_file import MappedFile


def map_weights(model: ir.Model, files: Sequence[MappedFile]) -> None:
    """Put a view of the mapped file in place of every tensor of the module that lies in one.

    Not where somebody has written to a tensor in that file: then the module has other numbers.
    """
    unwritten = [file for file in files if file.is_as_read]
    known: dict[int, ir.TensorProtocol] = {}  # a tensor that two initializers have stays one
    for graph in model.graphs() if unwritten else ():
        for value in graph.initializers.values():
            tensor = value.const_value
            if tensor is not None:
                value.const_value = known.setdefault(id(tensor), _mapped(tensor, unwritten))


def _mapped(tensor: ir.TensorProtocol, files: Sequence[MappedFile]) -> ir.TensorProtocol:
    raw = getattr(tensor, "raw", None)
    if not isinstance(raw, torch.Tensor) or raw.device.type != "cpu" or tensor.dtype.bitwidth < 8:
        return tensor
    for file in files:
        data = file.bytes_of(raw)
        if data is not None:
            array = data.view(tensor.dtype.numpy()).reshape(tuple(raw.shape))
            return ir.Tensor(array, dtype=tensor.dtype, name=tensor.name)
    return tensor
