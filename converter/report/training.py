"""What training changes in the model, beside what it changes in the source; where the two differ, why."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from converter.report import Report
from converter.sources import Source

if TYPE_CHECKING:
    from converter.backends.keras.emitted import Emission

MOST_NAMED = 5


def describe_training(report: Report, source: Source, emission: Emission) -> None:
    """Fill in the counts, and a note for each reason for which they differ."""
    report.trainable_parameters = emission.trainable_parameters
    if emission.mixed:
        report.notes.append(
            "The source does not train these, but it trains others of the same layers, and Keras freezes whole layers: "
            f"{_listed(emission.mixed)}."
        )
    sizes = source.trainable_sizes
    if sizes is None:
        return
    report.source_trainable_parameters = sum(sizes.values())
    unused = sizes.keys() - emission.sources
    report.source_unused_parameters = sum(sizes[name] for name in unused)
    if report.source_trainable_parameters == report.trainable_parameters:
        return
    if unused:
        report.notes.append(f"Evaluation does not use these parameters of the source: {_listed(sorted(unused))}.")
    trained = {variable.path for variable in emission.model.trainable_variables}
    derived = [o for path, o in emission.origins.items() if path in trained and o["view"] == "derived"]
    computed = [name for o in derived for name in o.get("computed_from", [o["source"]])]
    if computed:
        report.notes.append(
            "These are trained as they were computed from the parameters, not through the computation: "
            f"{_listed(map(str, computed))}."
        )


def _listed(names: Iterable[str]) -> str:
    """a, b, c, d, e and 7 more"""
    distinct = list(dict.fromkeys(names))
    more = len(distinct) - MOST_NAMED
    return ", ".join(distinct[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
