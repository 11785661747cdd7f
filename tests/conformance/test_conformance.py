"""Each case passes, or stands in refused.toml with its reason. A run tries a third of them, `make test-all` all.

`python -m scripts.conformance` writes the table anew and prints the shares.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.conformance.cases import WAYS, cases, outcome

TABLE = Path(__file__).parent / "refused.toml"
BATCH = 40
"""Cases in one test: pytest's own time for one is as long as the conversion."""

known = {way: {name: why for why, names in table.items() for name in names}
         for way, table in tomllib.loads(TABLE.read_text()).items()}  # fmt: skip


def batches() -> list[object]:
    names = list(cases())
    starts = range(0, len(names), BATCH)
    return [
        pytest.param(way, names[start : start + BATCH], id=f"{way}-{start}",
                     marks=[pytest.mark.slow] if (number + WAYS.index(way)) % 3 else [])
        for way in WAYS
        for number, start in enumerate(starts)
    ]  # fmt: skip


@pytest.mark.parametrize(("way", "names"), batches())
def test_passes_or_is_refused_for_a_known_reason(way: str, names: list[str]) -> None:
    wrong = {}
    for name in names:
        wanted = known[way].get(name, "passes")
        found = outcome(name, way)
        if found != wanted and not (wanted != "passes" and found.startswith(wanted)):
            wrong[name] = f"{found} (known: {wanted})"
    assert not wrong


def test_no_case_of_the_table_is_gone() -> None:
    assert all(name in cases() for table in known.values() for name in table)


def test_none_is_wrong() -> None:
    """Reasons are refusals; where results differ, it is said why in the table's comments."""
    reasons = {why for table in known.values() for why in table.values()}
    allowed = ("Unsupported", "BadSource", "LimitExceeded", "has no tensors", "other numbers", "fails when")
    assert all(why.startswith(allowed) for why in reasons)
