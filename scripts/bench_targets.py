"""What the project promises of speed and memory, as data, and whether a run of the bench keeps it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

SECONDS = {"torchvision:resnet50": 1.5, "torchvision:swin_t": 4.0}
"""From the .onnx file to the Keras model in memory, on one core, imports excluded."""

PEAK_MULTIPLE = {"torchvision:vit_b_16": 2.5}
"""The most memory above the imports, as a multiple of the weights' bytes."""

TO_HANDWRITTEN = 1.05
"""The latency of a converted model by that of one written by hand."""

TO_LOAD = 1.3
"""A conversion by the loading of its result."""

TO_FORWARD = 1.5
"""A verification by the calls of its cases."""

CHAIN_RATIO = 2.3
"""Twice as many nodes take this many times as long at most."""


@dataclass(frozen=True)
class Target:
    """A number that may not be exceeded."""

    what: str
    limit: float
    measured: float

    @property
    def met(self) -> bool:
        return self.measured <= self.limit

    def __str__(self) -> str:
        return f"{self.what}: {self.measured:.3g}, at most {self.limit:g}"

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "met": self.met}


def judge(result: Mapping[str, Any]) -> list[Target]:
    """The targets that the run measured, in the order of its models."""
    targets = [target for model in result["models"] for target in _of_model(model)]
    if result["chain"]:
        sizes = [run["nodes"] for run in result["chain"]["runs"]]
        if len(sizes) == 2 and sizes[1] == 2 * sizes[0]:
            what = f"seconds for {sizes[1]:,} nodes by those for {sizes[0]:,}"
            targets.append(Target(what, CHAIN_RATIO, result["chain"]["ratio"]))
    return targets


def _of_model(model: Mapping[str, Any]) -> Iterator[Target]:
    name = model["name"]
    limits: Sequence[tuple[str, Mapping[str, float], Callable[[], float]]] = (
        ("seconds", SECONDS, lambda: float(model["seconds"])),
        ("peak memory by weights", PEAK_MULTIPLE, lambda: float(model["peak_multiple"])),
    )
    for what, by_name, measured in limits:
        if name in by_name:
            yield Target(f"{name}: {what}", by_name[name], measured())
    for what, key, limit in (("loading", "to_load", TO_LOAD), ("the calls of its proof", "to_forward", TO_FORWARD)):
        if key in model:
            yield Target(f"{name}: by {what}", limit, model[key])
    for entry in model.get("latency", ()):
        if "to_handwritten" in entry:
            what = f"{name}: latency of batch {entry['batch']} by the handwritten model's"
            yield Target(what, TO_HANDWRITTEN, entry["to_handwritten"])
