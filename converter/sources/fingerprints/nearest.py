"""What a checkpoint that is not recognised is most like."""

from __future__ import annotations

from typing import Any

from converter.sources.fingerprints.fingerprint import fingerprinted, likeness, names_digest, sketch
from converter.sources.fingerprints.index import read_index
from converter.sources.fingerprints.whole_states import whole_states

ALIKE = 0.6
"""Share of names in common, below which nothing is said."""

AHEAD = 0.05
"""By how much it must be nearer than what is not named beside it."""

MOST_NEAR = 2

MOST_NAMED = 5


def nearest(content: Any) -> str | None:
    """A sentence on the architecture that has the most names in common; None where more than MOST_NEAR do."""
    state = max((fingerprinted(state) for _, state in whole_states(content)), key=len, default={})
    index = read_index()
    same = [architecture.source for architecture in index.architectures.get(names_digest(state), [])]
    if same:
        more = f" and {len(same) - MOST_NAMED} more" if len(same) > MOST_NAMED else ""
        return f"Its names are those of {', '.join(same[:MOST_NAMED])}{more}, but its shapes are not."
    mine = sketch(state)
    shares = sorted(((likeness(mine, theirs), names) for names, theirs in index.sketches.items()), reverse=True)
    first = shares[0][0]
    near = [index.architectures[names][0].source for share, names in shares if share > first - AHEAD]
    if first < ALIKE or len(near) > MOST_NEAR:
        return None
    return f"Its names are most like those of {' and '.join(near)}: some {min(first, 0.99):.0%} in common."
