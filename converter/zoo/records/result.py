"""What became of one model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from converter.zoo.records.entry import KERAS, Entry

VERIFIED = "verified"
MISMATCH = "mismatch"
UNSUPPORTED = "unsupported"
EXPORT_FAILED = "export-failed"
BAD_SOURCE = "bad-source"
CRASHED = "crashed"
TIMED_OUT = "timed-out"
OUT_OF_MEMORY = "out-of-memory"
KILLED = "killed"

STATUSES = {
    VERIFIED: "converted, and equal to onnxruntime",
    MISMATCH: "converted, and something else than its source",
    UNSUPPORTED: "an operator or a feature that keraport does not convert",
    EXPORT_FAILED: "PyTorch could not export the module",
    BAD_SOURCE: "the source cannot be built or read, or does not fit its checkpoint",
    CRASHED: "the process died, or keraport has a bug",
    TIMED_OUT: "not done within the time limit",
    OUT_OF_MEMORY: "more memory than the limit allows",
    KILLED: "ended from outside",
}
"""Every status, with what it means."""


@dataclass(frozen=True)
class Result:
    """One line of `results.jsonl`.

    Attributes:
        name: the entry's.
        status: one of `STATUSES`.
        detail: why, where it is not verified. Always the same keys, None where they do not apply: `kind`, `message`,
            `node`, `hint` (of the error), `stage` (the last that began), `signal` (name), `exit_code`, `stderr` (the
            last lines, a list).
        key: what the result depends on; see content_key.py.
        source: the entry's.
        tags: the entry's.
        expected: the entry's.
        attempts: how often it was tried.
        seconds: of the last attempt, wall-clock.
        peak_memory_bytes: the most that the child's processes held together.
        worker: the machine and process that it ran on.
        files: `model`, `report`, `stderr`: paths relative to the run, or URLs; only those that exist.
        report: what `--report` writes, as far as the conversion got; None where it left none.
        backend: the entry's. A line names it where it is not Keras.
    """

    name: str
    status: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    key: str = ""
    source: str = ""
    tags: tuple[str, ...] = ()
    expected: str = VERIFIED
    attempts: int = 1
    seconds: float = 0.0
    peak_memory_bytes: int = 0
    worker: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    report: Mapping[str, Any] | None = None
    backend: str = KERAS

    def to_dict(self) -> dict[str, Any]:
        """A copy of `line`."""
        return {name: value for name, value in asdict(self).items() if name in self.line}

    @property
    def line(self) -> dict[str, Any]:
        """What is written down."""
        return {name: value for name, value in vars(self).items() if name != "backend" or value != KERAS}

    @classmethod
    def of(cls, entry: Entry, status: str, detail: Mapping[str, Any], **more: Any) -> Result:
        """The result of an entry, which says what the model is; `more` are the attributes that the run says."""
        about: dict[str, Any] = {
            "source": entry.source,
            "tags": entry.tags,
            "expected": entry.expected,
            "backend": entry.backend,
        }
        return cls(entry.name, status, detail, **about, **more)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Result:
        return cls(**{**values, "tags": tuple(values["tags"])})


TIMES = ("seconds", "peak_memory_bytes", "worker", "attempts")
"""Attributes that differ from run to run of the same models; the report's `stages` and `peak_memory_bytes` do, too."""
