"""Run ONNX' backend tests, and write which are refused and why into tests/conformance/refused.toml.

python -m scripts.conformance
KERAS_BACKEND=jax python -m scripts.conformance --sample 300      on another backend, of what passes: what differs
"""

from __future__ import annotations

import argparse
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from tests.conformance.cases import KINDS, WAYS, cases, oracle_passes, outcome
from tests.conformance.test_conformance import TABLE, known

HEAD = """# Cases of onnx.backend.test that do not pass, by reason. Written by `python -m scripts.conformance`.
# "other numbers" are cases in which onnxruntime, the oracle, differs from onnx' reference as well, or which draw random
# numbers; what fails when it runs is given a tensor without elements.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sample", type=int, metavar="N", help="try N of the cases that the table has as passing")
    told = parser.parse_args(arguments)
    if told.sample:
        return _try_sample(told.sample)
    found = {way: {name: _outcome(name, way) for name in cases()} for way in WAYS}
    TABLE.write_text(HEAD + "".join(_table(way, found[way]) for way in WAYS))
    for way in WAYS:
        passed = sum(why == "passes" for why in found[way].values())
        told = sum(why != "has no tensors" for why in found[way].values())
        print(f"{way}: {passed} of {told} pass ({passed / told:.1%})")
    _tell_beside_the_oracle(found)
    return 0


def _tell_beside_the_oracle(found: Mapping[str, Mapping[str, str]]) -> None:
    """The shares of what onnxruntime passes: the others are of no use to anybody yet, or random."""
    possible = [name for name in cases() if oracle_passes(name)]
    for kind in KINDS:
        names = [name for name in possible if name.startswith(f"{kind}:")]
        shares = (f"{sum(found[way][name] == 'passes' for name in names) / len(names):.1%} {way}" for way in WAYS)
        print(f"{kind}, of {len(names)} that onnxruntime passes: {', '.join(shares)}")


def _try_sample(count: int) -> int:
    """Evenly among those that pass, by turns as given and with constants; prints what does not pass here."""
    passing = [(name, way) for name in cases() for way in WAYS if name not in known[way]]
    chosen = passing[:: max(1, len(passing) // count)][:count]
    different = {(name, way): said for name, way in chosen if (said := _outcome(name, way)) != "passes"}
    for (name, way), said in different.items():
        print(f"{name} ({way}): {said.splitlines()[0][:200]}")
    print(f"{len(chosen) - len(different)} of {len(chosen)} pass")
    return int(bool(different))


def _outcome(name: str, way: str) -> str:
    try:
        return outcome(name, way)
    except Exception as error:  # noqa: BLE001 (a bug, which the test then shows)
        return f"CRASH {type(error).__name__}: {error}"


def _table(way: str, outcomes: Mapping[str, str]) -> str:
    """The cases that do not pass, by the part of the reason that has no names and numbers in it."""
    by_reason: dict[str, list[str]] = defaultdict(list)
    for name, why in outcomes.items():
        if why != "passes":
            by_reason[_common(why)].append(name)
    lines = [f"\n[{way}]\n"]
    for why, names in sorted(by_reason.items()):
        quoted = why.replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f'"{quoted}" = [\n' + "".join(f'    "{name}",\n' for name in names) + "]\n")
    return "".join(lines)


def _common(why: str) -> str:
    """The reason up to the first name or number, at a word's end."""
    cut = re.split(r"['\"\[{]|\d|/tmp|tmp\w+\.onnx|\n", why, maxsplit=1)[0]
    return (cut if len(cut) > 12 else why[:60]).rstrip() if cut != why else why


if __name__ == "__main__":
    raise SystemExit(main())
