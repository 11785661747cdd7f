"""At which sizes a source runs: what its windows need at least, and what operators need to be a certain number.

Kept with the graph when its shapes are inferred first.

Later the graph may compute more than the source does, both branches of an If for one, and a window says nothing about
the others.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import onnx_ir as ir

from passes.dims.least import least_for
from passes.dims.parse import parse
from passes.dims.polynomial import Dim

LEAST_KEY = "keraport.least_sizes"
"""Metadata key of a model: the numbers as JSON, by symbol."""

DEMANDED_KEY = "keraport.demanded_sizes"
"""Metadata key of a model: pairs as JSON, arithmetic on sizes and what it has to come to."""

_WINDOWS = frozenset({"Conv", "MaxPool", "AveragePool", "LpPool"})
_CHOICES = frozenset({"If", "Loop", "Scan"})


def sizes_that_fit(model: ir.Model) -> Mapping[str, int] | None:
    """What is kept; None where the graph has not been looked at."""
    kept = model.metadata_props.get(LEAST_KEY)
    return None if kept is None else json.loads(kept)


def runs_whole(model: ir.Model) -> bool:
    """Whether every node runs whatever the input is."""
    return not any(node.op_type in _CHOICES for node in model.graph)


def keep_sizes_that_fit(model: ir.Model, *, ran_whole: bool) -> Mapping[str, int]:
    """Look at every window of a graph whose shapes are there. Nothing follows where it depends which nodes run."""
    least: dict[str, int] = {}
    if ran_whole:
        for size in _window_counts(model.graph):
            found = least_for(parse(size))
            if found is not None:
                least[found[0]] = max(least.get(found[0], 1), found[1])
    model.metadata_props[LEAST_KEY] = json.dumps(least, sort_keys=True)
    return least


def keep_demanded_sizes(model: ir.Model, demanded: Mapping[Dim, int], *, ran_whole: bool) -> None:
    """What `demanded_sizes` reads. Nothing is demanded of a node that may not run."""
    pairs = [[str(size), number] for size, number in demanded.items()] if ran_whole else []
    model.metadata_props[DEMANDED_KEY] = json.dumps(pairs)


def demanded_sizes(model: ir.Model) -> Mapping[Dim, int]:
    """Arithmetic on the sizes of inputs, and the number that it has to come to where the source runs."""
    return {parse(size): number for size, number in json.loads(model.metadata_props.get(DEMANDED_KEY, "[]"))}


def _window_counts(graph: ir.Graph) -> Iterator[str]:
    for node in graph:
        if node.op_type in _WINDOWS and node.domain == "":
            for dim in (node.outputs[0].shape or ())[2:]:
                if isinstance(dim, ir.SymbolicDim) and dim.value is not None:
                    yield dim.value
