"""Operations of a captured program that the exporter would take apart badly, said in another way beforehand."""

from __future__ import annotations

import torch

_POOLS = {
    torch.ops.aten.adaptive_avg_pool1d.default: [-1],
    torch.ops.aten.adaptive_avg_pool2d.default: [-2, -1],
    torch.ops.aten.adaptive_avg_pool3d.default: [-3, -2, -1],
}


def pools_to_means(program: torch.export.ExportedProgram) -> None:
    """An adaptive pool to one pixel is a mean.

    Given    adaptive_avg_pool2d(x, [1, 1])      which the exporter turns into a mean and, on a channels-last tensor, an
                                                 as_strided: a Gather at computed positions
    Result   mean(x, [-2, -1], keepdim=True)
    """
    for node in program.graph.nodes:
        axes = _POOLS.get(node.target) if node.op == "call_function" else None
        if axes is not None and all(size == 1 for size in node.args[1]):
            node.target = torch.ops.aten.mean.dim
            node.args = (node.args[0], axes, True)
    program.graph_module.recompile()
