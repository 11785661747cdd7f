"""A `.keras` file against its source, value by value: which layer is guilty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from converter.backends.emission import emit_model
from converter.options import Options
from converter.prepare import Prepared, prepare_source
from converter.processes.exclusive import exclusive
from converter.proof.guilt.diff import ValueDifference, Values
from converter.proof.guilt.repro import write_repro
from converter.proof.inputs.trials import Trials, running_trials
from converter.proof.oracle_for import oracle_for
from converter.proof.saved_model import refuse_unsafe_keras
from converter.sources import Source
from passes.errors import ConversionError, NotEquivalent

Array = np.ndarray[Any, np.dtype[Any]]

LIKELY = (Options(), Options(structure="flat"), Options(layout="source"), Options(fold_batchnorm=True))
"""What a model may have been converted with, the likely first."""


@dataclass(frozen=True)
class Diff:
    """Every value of a graph that a saved model computes too.

    Attributes:
        values: in the graph's order.
        missing: values of the graph that the model has not.
        repro: where the smallest graph that fails was written.
    """

    values: Sequence[ValueDifference]
    missing: Sequence[str]
    repro: Path | None = None

    @property
    def guilty(self) -> ValueDifference | None:
        """The first layer that is wrong though its inputs are right."""
        return next((value for value in self.values if not value.isolated.passed), None)

    @property
    def others(self) -> list[ValueDifference]:
        """What else is wrong by itself: one value of each node."""
        wrong = [value for value in self.values if not value.isolated.passed]
        return list({value.node: value for value in reversed(wrong) if value.node != wrong[0].node}.values())[::-1]

    @property
    def victims(self) -> list[ValueDifference]:
        """What is wrong as errors flow, right by itself."""
        return [v for v in self.values if v.isolated.passed and v.cumulative is not None and not v.cumulative.passed]

    def to_dict(self) -> dict[str, Any]:
        return {
            "guilty": None if self.guilty is None else self.guilty.to_dict(),
            "others": [value.to_dict() for value in self.others],
            "victims": [value.to_dict() for value in self.victims],
            "values": [value.to_dict() for value in self.values],
            "missing": list(self.missing),
            "repro": None if self.repro is None else str(self.repro),
        }


@exclusive()
def diff_saved(
    saved: Path,
    source: Source,
    options: Options,
    *,
    examples: Mapping[str, Array] | None = None,
    repro: Path | None = None,
    trust: bool = False,
) -> Diff:
    """Compare a model that keraport made with its source, all values of the graph.

    Args:
        options: those that the model was made with: layout, structure, fold_batchnorm, dropout.
        examples: what goes in; made up without.
        repro: the folder for the smallest graph that fails, if something does.
        trust: open the model with a Keras that has known holes.

    Raises:
        BadSource: this Keras must not open a file from elsewhere.
        NotEquivalent: it is not a model that keraport made of this source.
        Unsupported: the source cannot be converted.
    """
    if not trust:
        refuse_unsafe_keras()
    from converter.backends.keras.save import load_saved

    prepared = prepare_source(source, options)
    made = emit_model(prepared.final, options, source)
    loaded, missing = made.with_layers_of(load_saved(saved))
    names = [value.name for value in missing]
    if not loaded.top.nodes and not loaded.top.children:
        raise NotEquivalent(
            "The model has no layer of the names that a conversion of this source gives.",
            hint="Give the options that it was converted with, or compare outputs only, with `keraport verify`.",
        )
    values = Values(prepared.final, _inputs(source, prepared, examples or {}))
    flowing = loaded.trace(list(values.inputs.values())) if not missing else ()
    diff = Diff(values.differences(loaded.isolated(values.known), flowing), [str(name) for name in names])
    if repro is None or diff.guilty is None:
        return diff
    part = loaded.part(values.nodes[diff.guilty.value])
    if part is None:
        return diff
    return Diff(diff.values, diff.missing, write_repro(repro, diff.guilty, values, part))


def guilty_layer(
    saved: Path, source: Source, *, examples: Mapping[str, Array] | None = None, trust: bool = False
) -> dict[str, Any] | None:
    """The layer of a model that keraport made of this source, with whatever options, that is wrong by itself; else the
    first that is wrong as errors flow. None where it is somebody else's model, or no layer is wrong."""
    for options in LIKELY:
        try:
            found = diff_saved(saved, source, options, examples=examples, trust=trust)
        except ConversionError:
            continue
        if not found.missing:
            wrong = found.guilty or next(iter(found.victims), None)
            return None if wrong is None else wrong.to_dict()
    return None


def _inputs(source: Source, prepared: Prepared, examples: Mapping[str, Array]) -> dict[str, Array]:
    """Those of one case of a verification."""
    making = Trials.knowing(source, oracle_for(source, prepared), prepared.normalised)
    return running_trials(making, examples)[0].feeds
