"""Convert random graphs, and keep those that come out wrong or break something, and one of each kind of refusal.

python -m scripts.fuzz [COUNT] [--seed S] [--keep FOLDER]      on another backend with KERAS_BACKEND=jax
"""

from __future__ import annotations

import argparse
import re
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import onnx
import onnx.printer
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.wild_graphs import graphs
from tests.wild_graphs.outcome import CRASH, REFUSED, WRONG, outcome
from tests.wild_graphs.smallest import smallest

PER_SEED = 100
"""hypothesis slows down when one run draws many large examples."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("count", nargs="?", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("fuzz"))
    told = parser.parse_args(arguments)
    counts: Counter[str] = Counter()
    begun = time.monotonic()
    for number in range(-(-told.count // PER_SEED)):
        _run(min(PER_SEED, told.count - number * PER_SEED), told.seed + number, told.keep, counts)
    for said, count in counts.most_common():
        print(f"{count:6} {said}")
    print(f"{sum(counts.values())} graphs in {time.monotonic() - begun:.0f} s, from seed {told.seed}")
    return int(any(said.startswith((WRONG, CRASH)) for said in counts))


def _run(count: int, number: int, folder: Path, counts: Counter[str]) -> None:
    @seed(number)
    @settings(
        max_examples=count, phases=[Phase.generate], deadline=None, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(graphs())
    def each(model: onnx.ModelProto) -> None:
        said = outcome(model)
        kind = _kind(said)
        if said.startswith((WRONG, CRASH, REFUSED)) and kind not in counts:
            _keep(model, said, folder / f"{number}_{sum(counts.values())}.onnx")
        counts[kind] += 1

    each()


def _keep(model: onnx.ModelProto, said: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = smallest(model, said)
    onnx.save(part, path)
    print(f"{path}: {said}\n{onnx.printer.to_text(part)}", flush=True)


def _kind(said: str) -> str:
    """Without names and numbers."""
    return re.sub(r"'[^']*'|\"[^\"]*\"|\[[^\]]*\]|\([^)]*\)|-?\d+(\.\d+)?(e-?\d+)?", "…", said)[:140]


if __name__ == "__main__":
    raise SystemExit(main())
