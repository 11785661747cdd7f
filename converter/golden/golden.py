"""Record, check and update the goldens of models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from converter.golden.entry import INPUTS, VERIFIED, changed_files, described, hash_of, kept_options, outcome, since
from converter.golden.legs import SOURCE, Answers, Finding, findings
from converter.golden.observe import Array, Feeds, Observed, observe
from converter.golden.store import GoldenStore, digests_of
from converter.options import Options
from converter.proof.compare import Tolerance
from converter.sources import refuse_missing
from converter.versions import versions
from passes.errors import BadSource, ConversionError, LimitExceeded, UsageError

NEVER = -1.0
"""An uncertainty that excuses nothing: where somebody says what outputs may differ by, that is what they may."""


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
    feeds: Sequence[Feeds] | None = None,
) -> dict[str, Any]:
    """Convert a model and keep what everybody says about it. A model that cannot be converted is kept as such.

    Args:
        limit: bytes on the disk that one model may take.
        feeds: what goes in, of the user's own; drawn and from the examples of the options without.

    Raises:
        BadSource: there is no such file.
        LimitExceeded: it takes more; nothing of it is kept.
        UsageError: the call is wrong, or the name is that of a golden of another source.
    """
    refuse_missing(text)  # a name that was mistyped is no golden
    _refuse_other(store, name, text)
    made = observed(text, options, backends=backends, feeds=feeds)
    if isinstance(made, UsageError):
        raise made
    entry = {
        "name": name,
        "source": text,
        "options": kept_options(options),
        "environment": versions(),
        "sha256": hash_of(text),
        "checkpoint_sha256": hash_of(options.checkpoint),
        "own_inputs": feeds is not None or options.has_examples,
        **described(store, made),
    }
    size = store.sizes(list(digests_of(entry)))
    if limit is not None and size > limit:
        raise LimitExceeded(
            f"The golden of {name!r} takes {size:,} bytes, allowed {limit:,}.",
            hint="Give --limit more, or open sizes with --input so that smaller inputs are tried.",
        )
    store.write(name, entry)
    return entry


def check(
    store: GoldenStore,
    name: str,
    *,
    backends: Sequence[str] = (),
    trust: bool = False,
    tolerance: Tolerance | None = None,
) -> Checked:
    """Convert a model again, for the inputs that were recorded, and compare leg by leg.

    Args:
        tolerance: of floating-point outputs, instead of what goes with their dtype.
    """
    try:
        entry = store.read(name)
        cases = [{who: store.get(digest) for who, digest in case["arrays"].items()} for case in entry["cases"]]
    except BadSource as error:
        return Checked(name, "DAMAGED", message=error.message)
    feeds = _feeds(entry, [case[INPUTS] for case in cases])
    made = observed(entry["source"], Options(**entry["options"], trust=trust), feeds=feeds, backends=backends)
    if tolerance is not None and not isinstance(made, ConversionError):
        made.tolerate(tolerance)
        entry["cases"] = [{**case, "uncertainty": [NEVER] * len(case["uncertainty"])} for case in entry["cases"]]
    changed = [
        Finding("warn", SOURCE, f"{file} is not the file of which this was recorded") for file in changed_files(entry)
    ]
    found = _compared(entry, cases, made, is_changed=bool(changed))
    found.findings = [*changed, *found.findings]
    if found.outcome == "FAIL":
        found.message = "; ".join(filter(None, (found.message, since(entry))))
    return found


def _compared(
    entry: dict[str, Any], cases: Sequence[Answers], made: Observed | ConversionError, *, is_changed: bool
) -> Checked:
    """What was found beside what was recorded.

    Args:
        cases: of the record: everybody's outputs.
        is_changed: whether the source is another one than the one that was recorded.
    """
    name, status = entry["name"], entry["status"]
    kind, message = outcome(made)
    if isinstance(made, ConversionError) or status != VERIFIED:
        if kind == VERIFIED:
            return Checked(name, "FIXED", message=f"recorded as {status}, converted now")
        return Checked(name, *(("FAIL", [], message) if status == VERIFIED else ("ok", [], f"still {kind}")))
    if made.outputs != entry["outputs"]:
        then, now = (", ".join(each) for each in (entry["outputs"], made.outputs))
        return Checked(name, "FAIL", message=f"the outputs are {now}; recorded were {then}")
    found = [
        finding
        for kept, recorded, now in zip(entry["cases"], cases, made.cases, strict=True)
        for finding in findings(made.outputs, now.answers, recorded, kept, made.tolerances, is_changed=is_changed)
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
    # Made-up inputs are made up anew; somebody's own are nowhere else.
    own = (
        _feeds(entry, [store.get(case["arrays"][INPUTS]) for case in entry["cases"]])
        if entry.get("own_inputs")
        else None
    )
    options = Options(**entry["options"], trust=trust)
    record(store, name, entry["source"], options, backends=backends, feeds=own)
    return found


def _feeds(entry: dict[str, Any], inputs: Sequence[Sequence[Array]]) -> list[Feeds] | None:
    """What went into each case."""
    return [dict(zip(entry["inputs"], arrays, strict=True)) for arrays in inputs] or None


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
