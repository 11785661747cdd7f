"""Convert and verify the models of the README's table, and write docs/verified.json.

python -m scripts.verify_models [NAME...] [--folder DIR] [--output docs/verified.json]

The models are those of models/digits.toml, trained.toml and architectures.toml. Names that are not given keep their
records. The trained models' files are looked for where trained.toml says, or in DIR; one that is absent keeps its
record too. A model that fails ends the run with 1 after the others, and its record goes.
"""

from __future__ import annotations

from collections.abc import Sequence

from scripts.children import ROOT, Result
from scripts.each_model import each_model

OUTPUT = ROOT / "docs" / "verified.json"


def main(arguments: Sequence[str] | None = None) -> int:
    return each_model(str(__doc__).splitlines()[0], "scripts.verify_model", OUTPUT, _shown, arguments)


def _shown(record: Result) -> str:
    return f"{record['error']} {record['transposes']}"


if __name__ == "__main__":
    raise SystemExit(main())
