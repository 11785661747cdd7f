"""What a checkpoint that is not recognised is most like."""

from __future__ import annotations

from typing import Any

from converter.sources.fingerprints.fingerprint import fingerprinted, likeness, names_digest, sketch
from converter.sources.fingerprints.index import read_index
from converter.sources.fingerprints.whole_states import whole_states

ALIKE = 0.6
"""Share of names in common, below which nothing is said."""

AHEAD = 0.05
"""By how much the nearest must be nearer than the next."""

MOST_NAMED = 5


def nearest(content: Any) -> str | None:
    """A sentence on the architecture that has the most names in common; None where none stands out."""
    states = [fingerprinted(state) for _, state in whole_states(content)]
    index = read_index()
    for state in states:
        same = [architecture.source for architecture in index.architectures.get(names_digest(state), [])]
        if same:
            more = f" and {len(same) - MOST_NAMED} more" if len(same) > MOST_NAMED else ""
            return f"Its names are those of {', '.join(same[:MOST_NAMED])}{more}, but its shapes are not."
    shares = sorted(
        ((likeness(mine, theirs), names) for mine in map(sketch, states) for names, theirs in index.sketches.items()),
        reverse=True,
    )[:2]
    if len(shares) < 2 or shares[0][0] < ALIKE or shares[0][0] - shares[1][0] < AHEAD:
        return None
    share, names = shares[0]
    return f"Its names are most like those of {index.architectures[names][0].source}: some {share:.0%} in common."
