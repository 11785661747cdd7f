"""A source whose batch was opened, asked at its own size: image by image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx_ir as ir

from converter.proof.oracle import Answer, Oracle
from passes.normalize.open_batch import Opened

Array = np.ndarray[Any, np.dtype[Any]]


class PerImage(Oracle):
    """An oracle that takes one image, for batches of them.

    Args:
        oracle: of the source as its file has it.
        opened: the inputs whose batch was opened.
        graph: the opened graph: its outputs' shapes say along which axis the answers are joined.
    """

    def __init__(self, oracle: Oracle, opened: Opened, graph: ir.Graph) -> None:
        self.threads = oracle.threads
        self.optimise = oracle.optimise
        self.description = f"{oracle.description}, image by image"
        self._oracle = oracle
        self._opened = opened
        self._graph = graph

    @property
    def unoptimised(self) -> Oracle:
        return PerImage(self._oracle.unoptimised, self._opened, self._graph)

    def ask(self, feeds: Mapping[str, Array]) -> Answer:
        """The outputs for the whole batch.

        Raises:
            BadSource: onnxruntime stops.
        """
        count = max(len(feeds[name]) for name in self._opened.sizes)
        answers = [
            self._oracle.ask(
                {name: array[i : i + 1] if name in self._opened.sizes else array for name, array in feeds.items()}
            )
            for i in range(count)
        ]
        outputs = []
        for value, parts in zip(self._graph.outputs, zip(*(a.outputs for a in answers), strict=True), strict=True):
            axis = self._batch_axis(value)
            outputs.append(parts[0] if axis is None else np.concatenate(parts, axis))
        return Answer(outputs, f"{answers[0].by}, image by image")

    def _batch_axis(self, value: ir.Value) -> int | None:
        sizes = [str(size if isinstance(size, int) else size.value) for size in value.shape or ()]
        return next((axis for axis, size in enumerate(sizes) if self._opened.symbol in size), None)
