"""What is kept of one model: who answered what, by which options, of which files, with which packages."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from converter.golden.legs import errors, findings
from converter.golden.observe import Observed
from converter.golden.store import GoldenStore
from converter.options import Options
from converter.versions import versions
from passes.errors import ConversionError, NotEquivalent

INPUTS = "inputs"
KEPT = (
    "inputs", "checkpoint", "random_weights", "model_args", "constants", "layout", "structure", "outputs",
    "fold_batchnorm", "optimise", "dropout", "dequantise", "state",
)  # fmt: skip
"""Options that a golden keeps. `--trust` is not: who checks has to give it again."""

VERIFIED = "verified"


def outcome(made: Observed | ConversionError) -> tuple[str, str]:
    """The kind of error, or that there is none, and what it says."""
    if isinstance(made, ConversionError):
        return made.kind, made.message
    for case in made.cases:
        kept = {"errors": {}, "uncertainty": case.uncertainty}
        for finding in findings(made.outputs, case.answers, {}, kept, made.tolerances):
            return NotEquivalent.kind, f"{finding.leg}: {finding.message}"
    return VERIFIED, ""


def described(store: GoldenStore, made: Observed | ConversionError) -> dict[str, Any]:
    status, message = outcome(made)
    if isinstance(made, ConversionError):
        return {"status": status, "message": message, "inputs": [], "outputs": [], "cases": []}
    inputs = list(made.cases[0].feeds)
    cases = [
        {
            "note": case.note,
            "arrays": {
                INPUTS: store.put([case.feeds[name] for name in inputs]),
                **{who: store.put(arrays) for who, arrays in case.answers.items()},
            },
            "errors": errors(case.answers, made.outputs),
            "uncertainty": case.uncertainty,
        }
        for case in made.cases
    ]
    return {"status": status, "message": message, "inputs": inputs, "outputs": made.outputs, "cases": cases}


def kept_options(options: Options) -> dict[str, Any]:
    kept = {name: getattr(options, name) for name in KEPT}
    kept["inputs"] = [str(spec) for spec in options.specs]
    kept["checkpoint"] = None if options.checkpoint is None else str(options.checkpoint)
    return kept


def hash_of(text: str | Path | None) -> str | None:
    """Of a file; None for what is no single file."""
    path = Path(text or "")
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def changed_files(entry: dict[str, Any]) -> list[str]:
    """The files of a golden that are not those of which it was recorded."""
    files = {"sha256": entry["source"], "checkpoint_sha256": entry["options"]["checkpoint"]}
    return [str(file) for key, file in files.items() if entry.get(key) not in (None, hash_of(file))]


def since(entry: dict[str, Any]) -> str:
    """Which packages have other versions than those with which a golden was recorded."""
    then, now = entry.get("environment") or {}, versions()
    names = [name for name in dict.fromkeys([*then, *now]) if then.get(name) != now.get(name)]
    told = ", ".join(f"{name} {then.get(name, 'not installed')} (now {now.get(name, 'gone')})" for name in names)
    return f"recorded with {told}" if told else ""
