"""What tables show of a result: flat, small, and without its report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from converter.zoo.records.entry import KERAS, by_backend
from converter.zoo.records.result import VERIFIED, Result
from converter.zoo.results.signatures import signatures

_KINDS = {".onnx": "onnx", ".pt2": "exported program"}


@dataclass(frozen=True)
class Summary:
    """One model of a run.

    Attributes:
        name, status, expected, source, tags, key, attempts, seconds, peak_memory_bytes, worker, files, detail: as in
            `Result`.
        signatures: of its errors; empty where it is verified.
        parameters, transposes: of the emitted model.
        trained, trained_in_source: how many numbers training changes; the source's where it is a module.
        max_abs: the greatest difference from onnxruntime; None where an output could not be compared.
        of_allowed: the greatest share of its tolerance that an output uses: above 1 it is not equal.
        model, backend: the name without the backend, and who converted it.
        output_bytes: of the file.
        latency_ms, onnxruntime_ms: what a call of the file takes, and one of onnxruntime on the source, where timed.
    """

    name: str
    status: str
    expected: str = VERIFIED
    source: str = ""
    tags: tuple[str, ...] = ()
    key: str = ""
    attempts: int = 1
    seconds: float = 0.0
    peak_memory_bytes: int = 0
    worker: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    detail: Mapping[str, Any] = field(default_factory=dict)
    signatures: tuple[str, ...] = ()
    parameters: int | None = None
    transposes: int | None = None
    trained: int | None = None
    trained_in_source: int | None = None
    max_abs: float | None = None
    of_allowed: float | None = None
    model: str = ""
    backend: str = KERAS
    output_bytes: int | None = None
    latency_ms: float | None = None
    onnxruntime_ms: float | None = None

    @property
    def trained_beyond(self) -> int | None:
        """By how many numbers training changes more than in the source; None where one of the two is not known."""
        if self.trained is None or self.trained_in_source is None:
            return None
        return self.trained - self.trained_in_source

    @property
    def family(self) -> str:
        """What kind of source it is: torchvision, timm, transformers, onnx, exported program or module."""
        scheme, colon, _ = self.source.partition(":")
        if colon and scheme in ("torchvision", "timm", "transformers"):
            return scheme
        return next((kind for suffix, kind in _KINDS.items() if self.source.lower().endswith(suffix)), "module")


def summarise(result: Result) -> Summary:
    """The summary of a result."""
    report = result.report or {}
    max_abs, of_allowed = _errors(report.get("verification") or {})
    told = _file(report)
    found = [] if result.status == VERIFIED else signatures(result.detail) or [result.status]
    return Summary(
        name=result.name,
        status=result.status,
        expected=result.expected,
        source=result.source,
        tags=result.tags,
        key=result.key,
        attempts=result.attempts,
        seconds=result.seconds,
        peak_memory_bytes=result.peak_memory_bytes,
        worker=result.worker,
        files=result.files,
        detail=result.detail,
        signatures=tuple(found),
        parameters=report.get("parameters"),
        transposes=report.get("transposes"),
        trained=report.get("trainable_parameters"),
        trained_in_source=report.get("source_trainable_parameters"),
        max_abs=max_abs,
        of_allowed=of_allowed,
        model=result.name.removesuffix(by_backend("", result.backend)),
        backend=result.backend,
        output_bytes=told.get("output_bytes"),
        latency_ms=told.get("latency_ms"),
        onnxruntime_ms=told.get("onnxruntime_ms"),
    )


def _file(report: Mapping[str, Any]) -> Mapping[str, Any]:
    """Size and time of what was written: the `.keras` file, or the one file of another backend."""
    if report.get("output"):
        return {**(report.get("verification") or {}), "output_bytes": report.get("output_bytes")}
    first: Mapping[str, Any] = next(iter(report.get("destinations") or ()), {})
    return {**(first.get("verification") or {}), "output_bytes": first.get("output_bytes")}


def _errors(verification: Mapping[str, Any]) -> tuple[float | None, float | None]:
    outputs = [output for case in verification.get("cases", ()) for output in case["outputs"]]
    shares = [_share(output["max_abs"], output["tolerance"]["allowed"]) for output in outputs]
    known = [share for share in shares if share is not None]
    return verification.get("max_abs"), max(known) if known and len(known) == len(shares) else None


def _share(max_abs: float | None, allowed: float) -> float | None:
    if max_abs is None:
        return None
    return max_abs / allowed if allowed else 0.0 if max_abs == 0.0 else math.inf
