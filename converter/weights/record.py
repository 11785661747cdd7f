"""What a conversion leaves in its `.keras` file: which tensor of the source each variable is, and how it lies there.

A `.keras` file is a zip archive, of which Keras reads the members that it knows. When Keras saves a model again, this
one is gone: the record is then read from the file that the conversion wrote.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from passes.errors import BadSource
from passes.graph.view_steps import WeightView, shape_after

if TYPE_CHECKING:
    from converter.sources import Source

MEMBER = "keraport.json"
TENSORS = "keraport.safetensors"
VERSION = 1
MOST_BYTES = 1 << 24
"""Of a record in a stranger's file."""

MOST_KEPT = 1 << 22
"""Bytes of tensors without a variable (counters, position indices, heads for training) that are kept in the file."""

SEED = "/seed_generator_state"
"""What Dropout draws with: no weight."""

STEPS = ("transpose", "reshape")


@dataclass(frozen=True)
class WeightPlace:
    """Where a variable's numbers are in the source: the name and the shape there, and the steps from there to here."""

    source: str
    shape: tuple[int, ...]
    view: WeightView


@dataclass(frozen=True)
class Record:
    """Attributes:
    source: what was converted, in words.
    places: by the path of a variable.
    computed: variables that were computed from tensors of the source, by their paths: those tensors' names.
    sums: variables that are the sum of two tensors, by their paths: the tensors' names and their shape.
    digests: of the numbers of computed variables, by their paths.
    order: the paths of all variables, as they are in their layers.
    others: tensors of the source's state_dict that no variable holds, with their shapes.
    kept: those of the others whose numbers are in the file.
    nameless: variables for which the source has no tensor, by their paths: why.
    """

    source: str
    places: Mapping[str, WeightPlace]
    computed: Mapping[str, Sequence[str]]
    others: Mapping[str, tuple[int, ...]]
    kept: Mapping[str, np.ndarray] = field(default_factory=dict)
    nameless: Mapping[str, str] = field(default_factory=dict)
    sums: Mapping[str, tuple[Sequence[str], tuple[int, ...]]] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    order: Sequence[str] = ()

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of each tensor of the source that a variable holds, by itself or in a sum."""
        parts = {name: shape for names, shape in self.sums.values() for name in names}
        return {**{place.source: place.shape for place in self.places.values()}, **parts}

    @property
    def told(self) -> list[str]:
        """The paths of the variables whose numbers say something of the source's tensors."""
        return [*self.places, *self.sums, *self.computed]


def attach(
    archive: Path, source: Source, weights: Mapping[str, Mapping[str, Any]], others: Mapping[str, np.ndarray]
) -> None:
    """Put the record into a `.keras` file that Keras has just written."""
    record = {
        "version": VERSION,
        "source": source.description,
        "weights": weights,
        "others": {name: list(array.shape) for name, array in others.items()},
    }
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as opened:
        for name, content in {MEMBER: json.dumps(record).encode(), **_as_member(others)}.items():
            opened.writestr(name, content)


def members_like(before: Path, kept: Mapping[str, np.ndarray]) -> dict[str, bytes]:
    """The record of a `.keras` file or a report as members of another file, with these tensors in place of its own."""
    if zipfile.is_zipfile(before):
        with zipfile.ZipFile(before) as archive:
            text = _member(archive, MEMBER, before)
    else:
        text = before.read_bytes()
    return {MEMBER: text, **_as_member(kept)}


def _as_member(tensors: Mapping[str, np.ndarray]) -> dict[str, bytes]:
    if not tensors or sum(array.nbytes for array in tensors.values()) > MOST_KEPT:
        return {}
    from safetensors.numpy import save

    return {TENSORS: save(dict(tensors))}


def tensors_without_variable(source: Source, weights: Mapping[str, Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """What a state_dict of the source has beside what variables hold."""
    if source.torch_module is None:
        return {}
    held = {entry["source"] for entry in weights.values() if entry["view"] != "derived"}
    state = source.torch_module.state_dict()
    return {
        name: tensor.detach().cpu().numpy()
        for name, tensor in state.items()
        if name not in held and hasattr(tensor, "detach") and _has_numpy(tensor)
    }


def _has_numpy(tensor: Any) -> bool:
    return str(tensor.dtype).removeprefix("torch.") in {
        "float32", "float64", "float16", "int64", "int32", "int16", "int8", "uint8", "bool",
    }  # fmt: skip


def read_record(path: Path) -> Record:
    """The record in a `.keras` file, or in the report of its conversion (`--report FILE.json`).

    Raises:
        BadSource: there is none, or it was changed by hand.
    """
    kept: dict[str, np.ndarray] = {}
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                text = _member(archive, MEMBER, path)
                if TENSORS in archive.namelist():
                    from safetensors.numpy import load

                    kept = dict(load(_member(archive, TENSORS, path)))
        else:
            text = path.read_bytes()[: MOST_BYTES + 1]
        told = json.loads(text)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise BadSource(f"{path.name} has no record of a conversion that can be read: {error}") from error
    return _checked(told, kept, path)


def record_of(source: str, weights: Mapping[str, Mapping[str, Any]], others: Mapping[str, Sequence[int]]) -> Record:
    """The record of a conversion in memory."""
    return _checked({"source": source, "weights": weights, "others": others}, {}, Path(source))


def _member(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    if name not in archive.namelist():
        raise BadSource(
            f"{path.name} has no record of a conversion: keraport did not make it, or Keras has saved it again.",
            hint="Give the file that `keraport convert` wrote, or its report: --record FILE.",
        )
    if archive.getinfo(name).file_size > max(MOST_BYTES, MOST_KEPT * 2):
        raise BadSource(f"The record in {path.name} is larger than {MOST_BYTES:,} bytes.")
    return archive.read(name)


def _checked(told: Any, kept: Mapping[str, np.ndarray], path: Path) -> Record:
    try:
        places, computed, nameless, sums, digests = {}, {}, {}, {}, {}
        for variable, entry in told["weights"].items():
            if variable.endswith(SEED):
                continue
            if entry["source"] is None:
                nameless[str(variable)] = str(entry.get("reason"))
            elif "sum" in entry:
                first, second = entry["sum"]
                sums[str(variable)] = (str(first), str(second)), _sizes(entry["shape"])
            elif entry["view"] == "derived":
                computed[str(variable)] = [str(name) for name in entry.get("computed_from", [entry["source"]])]
                digests[str(variable)] = str(entry.get("digest"))
            else:
                places[str(variable)] = _place(entry)
        others = {str(name): _sizes(shape) for name, shape in told.get("others", {}).items()}
        order = [str(variable) for variable in told["weights"]]
        return Record(str(told["source"]), places, computed, others, kept, nameless, sums, digests, order)
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        raise BadSource(
            f"The record of {path.name} was changed, and cannot be followed any more: {_told(error)}.",
            hint="Give the file that `keraport convert` wrote, or its report: --record FILE.",
        ) from error


def _told(error: Exception) -> str:
    """What is wrong, for one who has edited it."""
    match error:
        case KeyError():
            return f"there is no {error}"
        case ValueError():
            return str(error)
    return "it is not built as conversions write it"


def _place(entry: Mapping[str, Any]) -> WeightPlace:
    shape = _sizes(entry["shape"])
    view = tuple((str(kind), _sizes(numbers)) for kind, numbers in entry["view"])
    reached = shape
    for kind, numbers in view:
        fits = sorted(numbers) == list(range(len(reached))) if kind == "transpose" else prod(numbers) == prod(reached)
        if kind not in STEPS or not fits:
            raise ValueError(f"{reached} cannot be seen by {kind} {numbers}")
        reached = shape_after(reached, (kind, numbers))
    return WeightPlace(str(entry["source"]), shape, view)


def _sizes(numbers: Any) -> tuple[int, ...]:
    if not all(isinstance(number, int) and 0 <= number < 2**40 for number in numbers):
        raise ValueError(f"{numbers} are no sizes")
    return tuple(numbers)
