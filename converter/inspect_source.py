"""What is known of a source before it is converted: `keraport inspect` and `keraport passes`."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import onnx_ir as ir

from converter.atomic_output import Output
from converter.ports import Port, ports_of
from converter.report import histogram
from converter.sources import Source
from passes.errors import ConversionError, UsageError
from passes.graph.reasons import Attempt, attempts
from passes.order import run_pipeline

INLINE_BYTES = 1 << 30
"""A dumped graph with more bytes of weights than this has them in a file beside it: protobuf ends at 2 GB."""


@dataclass
class Inspection:
    """A source, and whether it can be converted.

    Attributes:
        opsets: version by domain, as in the source; "" is the standard domain.
        operators: of the source, sub-graphs included.
        converted: of the graph after the passes; empty where a pass stopped.
        problems: everything that stands in the way, all at once.
    """

    source: str
    opsets: dict[str, int]
    inputs: list[Port]
    outputs: list[Port]
    operators: dict[str, int]
    converted: dict[str, int] = field(default_factory=dict)
    problems: list[ConversionError] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "opsets": self.opsets,
            "inputs": [port.to_dict() for port in self.inputs],
            "outputs": [port.to_dict() for port in self.outputs],
            "operators": self.operators,
            "converted": self.converted,
            "problems": [problem.to_dict() for problem in self.problems],
        }


def inspect(source: Source) -> Inspection:
    """Look a source over: nothing is built and nothing is written."""
    model = source.model
    result = Inspection(
        source.description,
        dict(model.opset_imports),
        ports_of(source.asked),
        ports_of(model.graph.outputs),
        histogram(model),
    )
    try:
        final = run_pipeline(model.clone())
    except ConversionError as error:
        result.problems.append(error)
        return result
    from converter.backends.keras.emit import unsupported

    result.converted = histogram(final)
    result.problems.extend(unsupported(final.graph))
    return result


def why(source: Source, node: str) -> list[Attempt]:
    """What every fusing pass says of a node, by the node's name or the name of what it makes.

    Raises:
        UsageError: no fusion starts at a node of this name.
        ConversionError: as a pass says it.
    """
    with attempts() as made:
        run_pipeline(source.model.clone(), opened=source.opened)
    found = [attempt for attempt in made if node in attempt.names]
    if not found:
        known = sorted({name for attempt in made for name in attempt.names if name})
        close = difflib.get_close_matches(node, known, n=5) or known[:5]
        raise UsageError(
            f"No fusion starts at a node {node!r}.",
            hint=f"They start at nodes such as {', '.join(close)}." if close else "This source has no such node.",
        )
    return found


def dump_passes(source: Source, folder: Path | None, *, layout: str, fold_batchnorm: bool) -> list[tuple[str, int]]:
    """Run the passes on a copy; return the name of each and the number of nodes after it.

    Args:
        source: as loaded.
        folder: where to write `NN_name.onnx` after every pass, the source as `00_source.onnx`; None writes nothing.
        layout, fold_batchnorm: as for a conversion.

    Raises:
        UsageError: the folder cannot be made or written.
        ConversionError: as the pass says it; the graphs before it are there.
    """
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"The directory {str(folder)!r} cannot be made: {error.strerror}.") from error
    seen: list[tuple[str, int]] = []

    def observe(name: str, model: ir.Model) -> None:
        if folder is not None:
            _write(model, folder / f"{len(seen):02d}_{name}.onnx")
        seen.append((name, sum(1 for _ in model.graph.all_nodes())))

    observe("source", source.model)
    run_pipeline(
        source.model.clone(),
        layout=layout,
        fold_batchnorm=fold_batchnorm,
        opened=source.opened,
        observer=observe,
    )
    return seen


def _write(model: ir.Model, path: Path) -> None:
    weights = sum(
        value.const_value.nbytes
        for graph in model.graphs()
        for value in graph.initializers.values()
        if value.const_value is not None
    )
    with Output(path, suffix=".onnx") as output:
        if weights > INLINE_BYTES:
            ir.save(model, output.temporary, external_data=f"{path.name}.data")
        else:
            output.temporary.write_bytes(ir.to_proto(model).SerializeToString())
        output.commit()
