"""The machine that a measurement was made on, in words that a reader can compare with their own."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import re
from pathlib import Path

import psutil

PACKAGES = ("keras", "tensorflow", "tensorflow-cpu", "onnxruntime", "onnx-ir", "torch", "numpy")
CPU = Path("/proc/cpuinfo")


def describe_machine() -> dict[str, str]:
    """Processor, memory, load, system and versions."""
    return {
        "processor": f"{_processor()}, {len(os.sched_getaffinity(0))} cores, one used",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()}, Python {platform.python_version()}",
        "versions": ", ".join(f"{name} {version}" for name, version in _versions().items()),
        "load": f"{os.getloadavg()[0]:.1f} at the end, averaged over a minute",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", CPU.read_text(), re.MULTILINE) if CPU.exists() else None
    return found[1].strip() if found else platform.processor() or platform.machine()


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
