"""The variables in a `.keras` file, read and replaced where they lie: Keras is not imported, no layer is made.

Keras (3.12 to 3.15) keeps them in `model.weights.h5`. A group `…/vars` has the name of its layer as an attribute, and
the layer's own variables in the order in which they were made.
"""

from __future__ import annotations

import contextlib
import shutil
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from converter.atomic_output import disk_problem
from converter.temporary import temporary_folder
from passes.errors import BadSource, UsageError

WEIGHTS = "model.weights.h5"


def read_variables(model: Path, paths: Iterable[str], order: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """The numbers of the variables with these paths.

    Args:
        order: the paths of all variables, as they are in their layers; these, where they are all.

    Raises:
        BadSource: the file is no Keras model, or does not hold them.
        UsageError: there is no room for them where temporary files are.
    """
    with _opened(model) as (_, file):
        return {path: dataset[...] for path, dataset in _located(file, paths, order, model).items()}


def write_variables(
    model: Path,
    values: Mapping[str, np.ndarray],
    target: Path,
    members: Mapping[str, bytes],
    order: Sequence[str] = (),
) -> None:
    """A copy of the model with these numbers, and with other members in the place of its own of these names.

    Args:
        order: as for reading.

    Raises:
        BadSource: as for reading, or a variable has another shape.
    """
    with _opened(model, writable=True) as (weights, file):
        for path, dataset in _located(file, values, order, model).items():
            if dataset.shape != values[path].shape:
                raise BadSource(f"The variable {path!r} of {model.name} has the shape {dataset.shape}.")
            dataset[...] = values[path]
        file.close()
        with zipfile.ZipFile(model) as before, zipfile.ZipFile(target, "w") as after:
            for name in before.namelist():
                if name != WEIGHTS and name not in members:
                    after.writestr(before.getinfo(name), before.read(name))
            after.write(weights, WEIGHTS)
            for name, content in members.items():
                after.writestr(name, content, zipfile.ZIP_DEFLATED)


@contextlib.contextmanager
def _opened(model: Path, *, writable: bool = False) -> Iterator[tuple[Path, Any]]:
    """The file of weights, outside of the archive, and open."""
    import h5py

    with temporary_folder("weights") as folder:
        weights = Path(folder) / WEIGHTS
        try:
            with zipfile.ZipFile(model) as archive, archive.open(WEIGHTS) as source, weights.open("wb") as copy:
                shutil.copyfileobj(source, copy)
            file = h5py.File(weights, "r+" if writable else "r")
        except (KeyError, ValueError, EOFError, zlib.error, zipfile.BadZipFile, OSError) as error:
            if (problem := disk_problem(error)) is not None:
                place = Path(folder).parent
                raise UsageError(
                    f"There is no room in {place} to unpack the weights of {model.name}: {problem.strerror}.",
                    hint="Make room there, or name another folder: TMPDIR=FOLDER.",
                ) from error
            raise BadSource(f"{model.name} is no Keras model that can be read: {error}") from error
        with file:
            yield weights, file


def _located(file: Any, paths: Iterable[str], order: Sequence[str], model: Path) -> dict[str, Any]:
    """The dataset of each variable."""
    wanted = set(paths)
    groups: dict[tuple[str, ...], list[Any]] = defaultdict(list)  # by the last name: a model may have thousands
    for chain, group in _groups(file):
        groups[chain[-1:]].append((chain, group))
    layers: dict[str, list[str]] = defaultdict(list)
    for path in order or paths:
        layers[path.rpartition("/")[0]].append(path)
    found: dict[str, Any] = {}
    for layer, variables in layers.items():
        if wanted.isdisjoint(variables):
            continue
        names = tuple(layer.split("/"))
        matching = [group for chain, group in groups[names[-1:]] if chain[-len(names) :] == names]
        if len(matching) != 1 or len(matching[0]) < len(variables):
            raise BadSource(f"{model.name} has no variables {', '.join(variables)}: it is not the model of the record.")
        found.update({path: matching[0][str(place)] for place, path in enumerate(variables) if path in wanted})
    return found


def _groups(file: Any) -> list[tuple[tuple[str, ...], Any]]:
    """Each group of variables, with the names of the layers around it and its own."""
    named: dict[str, str] = {}
    groups: dict[str, Any] = {}

    def visit(place: str, item: Any) -> None:
        if place.rpartition("/")[2] == "vars" and "name" in item.attrs:
            named[place.rpartition("/")[0]] = str(item.attrs["name"])
            groups[place.rpartition("/")[0]] = item

    file.visititems(visit)
    return [(_chain(place, named), group) for place, group in groups.items()]


def _chain(place: str, named: Mapping[str, str]) -> tuple[str, ...]:
    names: list[str] = []
    while place:
        if place in named:
            names.append(named[place])
        place = place.rpartition("/")[0]
    return tuple(reversed(names))
