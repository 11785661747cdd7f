"""Errors by depth as a picture: SVG that needs no script."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

WIDTH, HEIGHT = 960, 260
LEFT, BOTTOM, TOP = 68, 30, 14
LEAST = 1e-9
"""Smaller errors, and none at all, stand on the floor of the picture."""

Series = Sequence[float | None]


def plot(error: Series, noise: Series) -> Markup:
    """Two lines over the layers, the first one first, on a logarithmic scale.

    Args:
        error: of each layer; None leaves a gap.
        noise: likewise, of the same length.
    """
    known = [max(value, LEAST) for value in (*error, *noise) if value is not None]
    if not known:
        return Markup("")
    low, high = math.floor(math.log10(min(known))), math.ceil(math.log10(max(known)) + 1e-9)
    high = max(high, low + 1)

    def x(place: int) -> float:
        return LEFT + (WIDTH - LEFT - 8) * place / max(len(error) - 1, 1)

    def y(value: float) -> float:
        share = (math.log10(max(value, LEAST)) - low) / (high - low)
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share)

    ticks = "".join(
        f'<line class="tick" x1="{LEFT}" x2="{WIDTH - 8}" y1="{y(10**power):.1f}" y2="{y(10**power):.1f}"/>'
        f'<text x="{LEFT - 6}" y="{y(10**power) + 4:.1f}" text-anchor="end">1e{power}</text>'
        for power in range(low, high + 1)
    )
    middle = (LEFT + WIDTH) / 2
    words = "layers, in the order of the graph"
    label = f'<text class="axis" x="{middle:.0f}" y="{HEIGHT - 6}" text-anchor="middle">{words}</text>'
    lines = "".join(
        f'<path class="{name}" d="{_path([(x(i), y(v)) if v is not None else None for i, v in enumerate(series)])}"/>'
        for name, series in (("noise", noise), ("error", error))
    )
    title = "The greatest error of each layer, relative to its values, and onnxruntime's own noise"
    return Markup(f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">{ticks}{label}{lines}</svg>')


def _path(points: Sequence[tuple[float, float] | None]) -> str:
    """A line through the points; a lone point is a dot as wide as the line."""
    parts, open_ = [], False
    for point in points:
        if point is None:
            open_ = False
            continue
        parts.append(f"{'L' if open_ else 'M'}{point[0]:.1f} {point[1]:.1f}{'' if open_ else 'h.1'}")
        open_ = True
    return "".join(parts)
