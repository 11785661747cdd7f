"""Write the models of the README's table in every format, and back to torch, and write docs/shipped.json.

python -m scripts.ship_models [NAME...] [--folder DIR] [--output docs/shipped.json]

scripts/ship_model.py says what is written of each. The table in docs/ship.md is made of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from scripts.children import ROOT, Result
from scripts.each_model import each_model

OUTPUT = ROOT / "docs" / "shipped.json"


def main(arguments: Sequence[str] | None = None) -> int:
    return each_model(str(__doc__).splitlines()[0], "scripts.ship_model", OUTPUT, _shown, arguments, pinned=False)


def _shown(record: Result) -> str:
    told = {**record["formats"], **record["smaller"]}
    files = ", ".join(kind if "reason" not in each else f"no {kind}" for kind, each in told.items())
    return f"{files}; {record['training']}; {record['back']}"


if __name__ == "__main__":
    raise SystemExit(main())
