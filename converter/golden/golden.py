"""Record, check and update the goldens of models."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from converter.golden.legs import Finding, errors, findings
from converter.golden.observe import Observed, observe
from converter.golden.store import GoldenStore, digests_of
from converter.options import Options
from converter.versions import versions
from passes.errors import BadSource, ConversionError, LimitExceeded, UsageError

INPUTS = "inputs"
KEPT = (
    "inputs", "checkpoint", "random_weights", "model_args", "constants", "layout", "structure", "outputs",
    "fold_batchnorm", "optimise", "dropout", "dequantise", "state",
)  # fmt: skip
"""Options that a golden keeps. `--trust` is not: who checks has to give it again."""

VERIFIED = "verified"


@dataclass
class Checked:
    """The outcome of one golden.

    Attributes:
        outcome: "ok", "FAIL", "FIXED" (recorded as failing, and converted now), or "DAMAGED".
    """

    name: str
    outcome: str
    findings: list[Finding] = field(default_factory=list)
    message: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "findings": [finding.to_dict() for finding in self.findings]}


def name_of(source: str) -> str:
    """What a golden is called by default: a file's name, or the source as it is."""
    return Path(source).name if Path(source).suffix in (".onnx", ".pt2", ".pth", ".pt") else source


def record(
    store: GoldenStore,
    name: str,
    text: str,
    options: Options,
    *,
    backends: Sequence[str] = (),
    limit: int | None = None,
) -> dict[str, Any]:
    """Convert a model and keep what everybody says about it. A model that cannot be converted is kept as such.

    Args:
        limit: bytes on the disk that one model may take.

    Raises:
        LimitExceeded: it takes more; nothing of it is kept.
        UsageError: the name is that of a golden of another source.
    """
    _refuse_other(store, name, text)
    made = observed(text, options, backends=backends)
    entry = {
        "name": name,
        "source": text,
        "options": _kept(options),
        "environment": versions(),
        "sha256": _hash(text),
        **_described(store, made),
    }
    size = store.sizes(list(digests_of(entry)))
    if limit is not None and size > limit:
        raise LimitExceeded(
            f"The golden of {name!r} takes {size:,} bytes, allowed {limit:,}.",
            hint="Give --limit more, or open sizes with --input so that smaller inputs are tried.",
        )
    store.write(name, entry)
    return entry


def check(store: GoldenStore, name: str, *, backends: Sequence[str] = (), trust: bool = False) -> Checked:
    """Convert a model again, for the inputs that were recorded, and compare leg by leg."""
    try:
        entry = store.read(name)
        cases = [{who: store.get(digest) for who, digest in case["arrays"].items()} for case in entry["cases"]]
    except BadSource as error:
        return Checked(name, "DAMAGED", message=error.message)
    names = entry["inputs"]
    feeds = [dict(zip(names, case[INPUTS], strict=True)) for case in cases]
    made = observed(entry["source"], Options(**entry["options"], trust=trust), feeds=feeds or None, backends=backends)
    if isinstance(made, ConversionError):
        if entry["status"] == VERIFIED:
            return Checked(name, "FAIL", message=made.message)
        return Checked(name, "ok", message=f"still {made.kind}")
    if entry["status"] != VERIFIED:
        return Checked(name, "FIXED", message=f"recorded as {entry['status']}, converted now")
    found = [
        finding
        for kept, recorded, now in zip(entry["cases"], cases, made.cases, strict=True)
        for finding in findings(made.outputs, now.answers, recorded, kept, made.tolerances)
    ]
    failed = any(finding.level == "fail" for finding in found)
    return Checked(name, "FAIL" if failed else "ok", list(dict.fromkeys(found)))


def update(
    store: GoldenStore,
    name: str,
    *,
    agree: Callable[[Checked], bool],
    backends: Sequence[str] = (),
    trust: bool = False,
) -> Checked | None:
    """Check a model, and where something differs and `agree` says so, record it anew. None where nothing differs."""
    found = check(store, name, backends=backends, trust=trust)
    if (found.outcome == "ok" and not found.findings) or not agree(found):
        return None
    entry = store.read(name)
    record(store, name, entry["source"], Options(**entry["options"], trust=trust), backends=backends)
    return found


def observed(text: str, options: Options, **told: Any) -> Observed | ConversionError:
    """As `observe`; the error, where the model cannot be converted."""
    try:
        return observe(text, options, **told)
    except ConversionError as error:
        return error


def _refuse_other(store: GoldenStore, name: str, text: str) -> None:
    try:
        other = store.read(name)["source"]
    except BadSource:  # there is none, or it is damaged and recorded anew
        return
    if other != text:
        raise UsageError(f"The golden {name!r} is of {other!r}.", hint="Give another --name.")


def _described(store: GoldenStore, made: Observed | ConversionError) -> dict[str, Any]:
    if isinstance(made, ConversionError):
        return {"status": made.kind, "message": made.message, "inputs": [], "outputs": [], "cases": []}
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
    return {"status": VERIFIED, "message": "", "inputs": inputs, "outputs": made.outputs, "cases": cases}


def _kept(options: Options) -> dict[str, Any]:
    kept = {name: getattr(options, name) for name in KEPT}
    kept["inputs"] = [str(spec) for spec in options.specs]
    kept["checkpoint"] = None if options.checkpoint is None else str(options.checkpoint)
    return kept


def _hash(text: str) -> str | None:
    path = Path(text)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
