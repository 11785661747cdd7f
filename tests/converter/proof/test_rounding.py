"""An output that is further from float64 than onnxruntime's: layers that are right by themselves may round so."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from converter.proof.verdict import CaseResult, Precision, Verification
from converter.proof.verify import _settle_precision

FAR, TOO_FAR = Precision("y", 5e-6, 1e-6, 3e-6), Precision("y", 1e-5, 1e-6, 3e-6)
LAYER = {"value": "h", "reason": "the layer relu is 0.1 off"}


def verification(precision: Precision) -> Verification:
    return Verification("the source", "tensorflow", cases=[CaseResult({"x": (2, 3)}, 0, "", [])], precision=[precision])


def trial() -> Any:
    return SimpleNamespace(feeds={"x": np.ones((2, 3), np.float32)})


def asked(guilty: dict[str, Any] | None) -> Callable[..., dict[str, Any] | None]:
    return lambda feeds: guilty


def test_without_anybody_to_ask_it_fails() -> None:
    found = verification(FAR)
    _settle_precision(found, trial(), None)
    assert not found.passed and "further from float64" in found.reason


def test_rounding_is_accepted_up_to_a_limit() -> None:
    found = verification(FAR)
    _settle_precision(found, trial(), asked(None))
    assert found.passed and found.inner is not None
    told = found.to_dict()
    assert told["precision"][0]["by"] == "inner values" and told["inner"]["passed"]
    found = verification(TOO_FAR)
    _settle_precision(found, trial(), asked(None))
    assert not found.passed and "further from float64" in found.reason


def test_a_wrong_layer_is_named() -> None:
    found = verification(FAR)
    _settle_precision(found, trial(), asked(LAYER))
    assert not found.passed and "the layer relu is 0.1 off" in found.reason
    assert found.counterexample is not None


def test_what_fails_anyway_is_not_looked_into() -> None:
    found = verification(FAR)
    found.cases = [CaseResult({"x": (2, 3)}, 0, "", [], "it stops")]
    _settle_precision(found, trial(), asked(None))
    assert found.inner is None and not found.passed
