"""Write converter/sources/fingerprints/index.json.gz: the fingerprints of every model of torchvision and timm.

python -m scripts.fingerprints

Each is built without memory for its weights, with two numbers of classes and of channels, and without a classifier:
what differs is what users choose. Of those that have all names and shapes in common, the small ones are run with the
same random weights (scripts/fingerprint_kin.py). Three quarters of an hour on two busy cores.
"""

from __future__ import annotations

import argparse
import itertools
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from rich.console import Console
from rich.progress import track

from converter.sources.by_name.libraries import find, list_models
from converter.sources.fingerprints.fingerprint import Free, fingerprinted, names_digest, shapes_digest, sketch
from converter.sources.fingerprints.index import Architecture, write_index
from converter.sources.torchvision_import import import_torchvision
from passes.errors import UsageError
from scripts.fingerprint_kin import CLASSES, Uninitialised, kinships

OTHER_CLASSES = 11
CHANNELS, OTHER_CHANNELS = 3, 5
"""Numbers whose ratios, with that of CLASSES, tell whose multiple a size is."""

State = dict[str, Any]
Build = Callable[..., State]


class Built(NamedTuple):
    """An architecture, with the shapes that it has with CLASSES and CHANNELS."""

    architecture: Architecture
    exact: str


def main(arguments: Sequence[str] | None = None) -> int:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args(arguments)
    torchvision = import_torchvision()
    import timm

    sketches: dict[str, list[int]] = {}
    built = list(fingerprint_all(sketches, print))
    kin = kinships(_alike(built))
    found = [replace(each.architecture, kin=kin.get(each.architecture.source)) for each in built]
    write_index({"torchvision": torchvision.__version__, "timm": timm.__version__}, found, sketches)
    return 0


def fingerprint_all(sketches: dict[str, list[int]], tell: Callable[[str], None]) -> Iterator[Built]:
    """Every model that can be built without memory, those first that are taken first among their kin."""
    sources = [f"{zoo}:{name}" for zoo in ("torchvision", "timm") for name in list_models(zoo)]
    for source in track(sorted(sources, key=_preference), "shapes", console=Console(stderr=True)):
        try:
            yield from fingerprint(source, sketches)
        except Exception as error:  # noqa: BLE001 - whatever a builder makes of the meta device
            tell(f"left out: {source}: {type(error).__name__}: {error}")


def _preference(source: str) -> tuple[bool, bool, int, str]:
    return source.startswith("timm:"), "quantized" in source, len(source), source


def fingerprint(source: str, sketches: dict[str, list[int]]) -> Iterator[Built]:
    """With its classifier, and without, where it can be built so; a sketch of its names goes into `sketches`."""

    def build(**given: int) -> State:
        return state_of(source, given)

    first, classes, channels = _free_sizes(build, timm=source.startswith("timm:"))
    names = names_digest(first)
    sketches[names] = sketch(first)
    whole = Architecture(source, names, shapes_digest(first, (*classes, *channels)), classes, channels)
    yield Built(whole, shapes_digest(first, ()))
    if source.startswith("timm:"):
        bare = build(num_classes=0)
        if bare.keys() != first.keys():
            free = _moved(channels, list(first), list(bare))
            yield Built(
                Architecture(source, names_digest(bare), shapes_digest(bare, free), (), free, headless=True), ""
            )


def state_of(source: str, given: Mapping[str, int]) -> State:
    """The state_dict of the model as it is built with `given`, without memory where that is possible."""
    zoo, _, name = source.partition(":")
    if name in ("googlenet", "inception_v3") and zoo == "torchvision":
        given = {**given, "init_weights": False}
    recipe = find(zoo, name, arguments=given)
    assert recipe is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of initialisation that does nothing
        try:
            with torch.device("meta"):
                return fingerprinted(recipe.build().state_dict())
        except (NotImplementedError, UsageError) as error:
            if not isinstance(error.__cause__ or error, NotImplementedError):
                raise
            with Uninitialised():  # the builder reads a value
                return fingerprinted(recipe.build().state_dict())


def _free_sizes(build: Build, *, timm: bool) -> tuple[State, tuple[Free, ...], tuple[Free, ...]]:
    """The state with CLASSES and CHANNELS, and the sizes that follow from each."""
    attempts: list[dict[str, int]] = [{"num_classes": OTHER_CLASSES}, {}]
    if timm:
        attempts.insert(0, {"num_classes": OTHER_CLASSES, "in_chans": OTHER_CHANNELS})
    for other in attempts:
        mine = {key: {"num_classes": CLASSES, "in_chans": CHANNELS}[key] for key in other}
        try:
            first, second = build(**mine), build(**other)
        except Exception:  # noqa: BLE001 - of a builder that takes no such argument
            continue
        if first.keys() == second.keys():
            return first, *_differing(first, second, build)
    first = build()
    return first, (), ()


def _differing(first: State, second: State, build: Build) -> tuple[tuple[Free, ...], tuple[Free, ...]]:
    classes, channels = [], []
    for index, (mine, theirs) in enumerate(zip(first.values(), second.values(), strict=True)):
        for axis, (size, other) in enumerate(zip(mine.shape, theirs.shape, strict=True)):
            if size == other:
                continue
            if size * OTHER_CLASSES == other * CLASSES:
                classes.append(Free(index, axis, size // CLASSES, 0))
            elif size * OTHER_CHANNELS == other * CHANNELS:
                channels.append(Free(index, axis, size // CHANNELS, 0))
            else:
                into, place = _affine(index, axis, size, other, build)
                (classes if into == "classes" else channels).append(place)
    return tuple(classes), tuple(channels)


def _affine(index: int, axis: int, size: int, other: int, build: Build) -> tuple[str, Free]:
    """A size that is no multiple, such as channels + 2: it takes a third model to see of which number."""
    third = build(num_classes=OTHER_CLASSES, in_chans=CHANNELS)
    of_classes = list(third.values())[index].shape[axis] == other
    number, more = (CLASSES, OTHER_CLASSES) if of_classes else (CHANNELS, OTHER_CHANNELS)
    times, rest = divmod(other - size, more - number)
    if rest or times < 1:
        raise ValueError(f"the size {size} of axis {axis} of the {index}th weight follows from nothing")
    return ("classes" if of_classes else "channels"), Free(index, axis, times, size - times * number)


def _moved(free: Sequence[Free], names: list[str], others: list[str]) -> tuple[Free, ...]:
    return tuple(
        replace(place, name=others.index(names[place.name])) for place in free if names[place.name] in set(others)
    )


def _alike(built: Sequence[Built]) -> list[list[str]]:
    """The sources that have all names and shapes in common, in groups of at least two."""
    whole = [each for each in built if not each.architecture.headless]
    key = lambda each: (each.architecture.names, each.exact)  # noqa: E731
    groups = [list(group) for _, group in itertools.groupby(sorted(whole, key=key), key)]
    return [[each.architecture.source for each in group] for group in groups if len(group) > 1]


if __name__ == "__main__":
    raise SystemExit(main())
