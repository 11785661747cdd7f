"""A source whose sizes were opened: asked at its own size, and its opened graph at others."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import onnx_ir as ir

from converter.proof.oracle import Answer, Oracle
from passes.normalize.open_batch import Opened

Array = np.ndarray[Any, np.dtype[Any]]


class AtOwnSize(Oracle):
    """The source where inputs have the sizes of its file; elsewhere the graph in which they are open.

    Args:
        oracle: of the source as its file has it.
        opened: the sizes that were opened.
        normalised: the opened graph, in standard operators.
    """

    def __init__(self, oracle: Oracle, opened: Opened, normalised: ir.Model) -> None:
        self.threads = oracle.threads
        self.optimise = oracle.optimise
        self.description = oracle.description
        self._oracle = oracle
        self._opened = opened
        self._normalised = normalised

    @cached_property
    def unoptimised(self) -> Oracle:
        return AtOwnSize(self._oracle.unoptimised, self._opened, self._normalised)

    @cached_property
    def _elsewhere(self) -> Oracle:
        return Oracle(self._normalised, threads=self.threads, optimise=self.optimise)

    def ask(self, feeds: Mapping[str, Array]) -> Answer:
        """The outputs, and which graph has computed them.

        Raises:
            BadSource: onnxruntime stops.
        """
        is_own = all(
            feeds[name].shape[axis] == self._opened.own[name][axis]
            for name, axes in self._opened.axes.items()
            for axis in axes
        )
        if is_own:
            return self._oracle.ask(feeds)
        return Answer(self._elsewhere.run(feeds), "the graph with its sizes opened")
