"""Which tensor of the source each variable of a model holds: as lines to be read, and as a file to be edited."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from converter.weights.port.calls import own_variables
from converter.weights.port.partners import Matched
from converter.weights.port.readings import FilledVariable
from passes.errors import BadSource
from passes.graph.view_steps import WeightView

MOST_BYTES = 1 << 26


@dataclass(frozen=True)
class Row:
    """One variable.

    Attributes:
        source: the tensor that it holds, or that it was computed from where `view` is None; None where it was filled.
        view: the steps from that tensor to the variable.
        value: of all its entries, where the source has no such tensor and it was filled; None where it holds numbers
            for which the source has no name.
    """

    variable: str
    source: str | None
    view: WeightView | None = None
    value: float | None = None

    def __str__(self) -> str:
        if self.source is None:
            return f"{self.variable}  ←  " + ("numbers without a name" if self.value is None else f"{self.value:g}")
        if self.view is None:
            return f"{self.variable}  ←  computed from {self.source}"
        return f"{self.variable}  ←  {self.source}{''.join(f', {_step(kind, n)}' for kind, n in self.view)}"

    def to_dict(self) -> dict[str, Any]:
        if self.source is None:
            return {"value": self.value}
        if self.view is None:
            return {"computed from": self.source}
        return {"source": self.source, "view": [[kind, list(numbers)] for kind, numbers in self.view]}


def paths(model: Any) -> dict[str, str]:
    """The paths of the variables as Keras has them → as a map has them: without the model's own name, which Keras may
    have numbered."""
    return {variable.path: variable.path.removeprefix(f"{model.name}/") for variable in model.variables}


def rows_of(matched: Sequence[Matched], model: Any) -> list[Row]:
    """A row for each variable that has got numbers, in the order in which the layers are called."""
    names = paths(model)
    rows = []
    for each in matched:
        for name, variable in own_variables(each.layer).items():
            told = each.reading.variables[name]
            if isinstance(told, FilledVariable):
                rows.append(Row(names[variable.path], None, value=told.value))
            else:
                rows.append(Row(names[variable.path], told.tensor.source, told.view))
    return rows


def to_text(rows: Sequence[Row], source: str) -> str:
    return json.dumps({"source": source, "variables": {row.variable: row.to_dict() for row in rows}}, indent=1) + "\n"


def read_told(path: Path, model: Any) -> dict[str, str]:
    """By the path of a variable the tensor that a map says it holds. What it says of filled variables is found anew.

    Raises:
        BadSource: it is no such file, or names variables that the model has not.
    """
    try:
        told: Mapping[str, Any] = json.loads(path.read_bytes()[:MOST_BYTES])["variables"]
        found = {name: row.get("source", row.get("computed from")) for name, row in told.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadSource(f"{path} is no map of weights: {error}") from error
    own = {name: variable for variable, name in paths(model).items()}
    unknown = sorted(found.keys() - own.keys()) if own else []  # a model that has not run yet has none
    if unknown:
        raise BadSource(f"The model has no variable {', '.join(map(repr, unknown[:5]))}, which {path} names.")
    return {own.get(name, name): str(source) for name, source in found.items() if source is not None}


def _step(kind: str, numbers: Sequence[int]) -> str:
    if kind == "take":
        return f"entries {numbers[1]} to {numbers[-1]} of axis {numbers[0]}"
    return f"{'axes' if kind == 'transpose' else 'as'} {tuple(numbers)}"
