"""Results of zoo runs, made up."""

from __future__ import annotations

from typing import Any

from converter.zoo.records.entry import Entry
from converter.zoo.records.result import UNSUPPORTED, VERIFIED, Result


def entry(name: str, **values: Any) -> Entry:
    return Entry(**{"name": name, "source": f"timm:{name}", **values})


def verified(name: str, *, max_abs: float | None = 2e-6, allowed: float = 1e-4, **values: Any) -> Result:
    """A model that came out equal, with a report as `Report.to_dict()` makes it."""
    output = {
        "name": "y",
        "passed": True,
        "reason": "",
        "shape": [1, 10],
        "dtype": "float32",
        "max_abs": max_abs,
        "max_rel": max_abs,
        "tolerance": {"rtol": 1e-4, "atol": 1e-5, "allowed": allowed},
    }
    case = {"shape": {"x": [1, 3, 8, 8]}, "seed": 1, "note": "", "passed": True, "failure": "", "outputs": [output]}
    report = {
        "source": f"timm:{name}",
        "inputs": [],
        "outputs": [],
        "stages": [{"name": "load", "seconds": 0.5, "ok": True}],
        "operators": {"nhwc::Conv": 20, "Relu": 17},
        "transposes": 0,
        "parameters": 1000,
        "trainable_parameters": 990,
        "source_trainable_parameters": 1000,
        "peak_memory_bytes": 1 << 28,
        "verification": {"passed": True, "reason": "", "max_abs": max_abs, "cases": [case]},
        "output": "model.keras",
        "notes": [],
        "versions": {"keras": "3.15"},
    }
    made = {
        "name": name,
        "status": VERIFIED,
        "key": "k",
        "source": f"timm:{name}",
        "seconds": 2.0,
        "peak_memory_bytes": 1 << 28,
        "worker": "host:1",
        "report": report,
    }
    return Result(**{**made, **values})


def failed(name: str, message: str = "The operator Foo is not supported.", **values: Any) -> Result:
    """A model that has no report, and a detail with every key."""
    status = values.get("status", UNSUPPORTED)
    detail = {
        "kind": "unsupported" if status == UNSUPPORTED else status,
        "message": message,
        "node": "Foo node 'a'",
        "hint": None,
        "stage": "passes",
        "signal": None,
        "exit_code": None,
        "stderr": ["the end"],
    }
    made = {"name": name, "status": status, "key": "k", "source": f"timm:{name}", "seconds": 1.0, "detail": detail}
    return Result(**{**made, **values})
