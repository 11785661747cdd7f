"""What the noise layers of a saved model draw by themselves: the one thing of them that no oracle knows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import onnx_ir as ir

from converter.ports import Port, ports_of
from converter.sources.source import DrawnNoise

SIGMAS = 5.0
"""That a measured moment may be off: a sound layer is refused once in a million times."""

MOST_TOLD = 8
"""Layers that a note names."""

MOMENTS = {"normal": (0.0, 1.0, 3.0), "uniform": (0.5, 1 / 12, 1.8)}
"""By distribution: mean, variance, and the fourth moment in units of the squared variance."""


def noise_ports(final: ir.Model, noise: Collection[str]) -> list[Port]:
    """The inputs of a graph that are noise, called after the layers that draw it."""
    from converter.backends.keras.build.names import safe_name

    ports = ports_of([value for value in final.graph.inputs if value.name in noise])
    return [replace(port, keras_name=safe_name(port.name)) for port in ports]


@dataclass(frozen=True)
class Draw:
    """Many numbers of one layer, measured.

    Attributes:
        layer: its name.
        distribution: that the source asks for.
        count: how many they were.
        mean, variance: of them.
        least, most: the smallest and the greatest.
        is_new: whether a second draw was another.
    """

    layer: str
    distribution: str
    count: int
    mean: float
    variance: float
    least: float
    most: float
    is_new: bool

    @property
    def reason(self) -> str:
        """What is wrong with it; "" where nothing is."""
        mean, variance, fourth = MOMENTS[self.distribution]
        off = abs(self.mean - mean) / (variance / self.count) ** 0.5
        spread = abs(self.variance - variance) / (variance * ((fourth - 1) / self.count) ** 0.5)
        if not off <= SIGMAS:
            return f"the mean of what {self.layer!r} draws is {self.mean:.4g}, not {mean:g}"
        if not spread <= SIGMAS:
            return f"the variance of what {self.layer!r} draws is {self.variance:.4g}, not {variance:.4g}"
        if self.distribution == "uniform" and not 0 <= self.least <= self.most < 1:
            return f"{self.layer!r} draws numbers from {self.least:.4g} to {self.most:.4g}"
        return "" if self.is_new else f"{self.layer!r} draws the same numbers again"

    def to_dict(self) -> dict[str, Any]:
        return {
            "layer": self.layer,
            "distribution": self.distribution,
            "count": self.count,
            "mean": self.mean,
            "variance": self.variance,
            "passed": not self.reason,
        }


def draws_of(
    found: Mapping[str, Mapping[str, Any]], ports: Mapping[str, str], noise: Mapping[str, DrawnNoise]
) -> list[Draw]:
    """What a replay has measured.

    Args:
        found: by layer.
        ports: the layer of each input that is noise.
        noise: `Source.noise`.
    """
    return [Draw(layer, noise[name].distribution, **found[layer]) for name, layer in ports.items()]


def told_of(draws: Sequence[Draw]) -> list[str]:
    """For the notes of a report."""
    if not draws or any(draw.reason for draw in draws):
        return []
    each = "; ".join(f"{draw.layer}: {draw.mean:.4f}, {draw.variance:.4f}" for draw in draws[:MOST_TOLD])
    more = f"; and {len(draws) - MOST_TOLD} more" if len(draws) > MOST_TOLD else ""
    return [f"Of {draws[0].count} numbers that a layer draws by itself, mean and variance: {each}{more}."]
