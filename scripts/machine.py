"""The machine that a measurement was made on, in words that a reader can compare with their own."""

from __future__ import annotations

import datetime
import os
import platform
import re
from pathlib import Path

import psutil

from converter.versions import versions

PACKAGES = ("keras", "tensorflow", "tensorflow-cpu", "onnxruntime", "onnx-ir", "torch", "numpy")
"""Those that a measurement depends on."""
CPU = Path("/proc/cpuinfo")


def describe_machine() -> dict[str, str]:
    """Processor, memory, load, system and versions."""
    found = versions()
    return {
        "processor": f"{_processor()}, {len(os.sched_getaffinity(0))} cores, one used",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()}, Python {platform.python_version()}",
        "versions": ", ".join(f"{name} {found[name]}" for name in PACKAGES if name in found),
        "load": f"{os.getloadavg()[0]:.1f} at the end, averaged over a minute",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", CPU.read_text(), re.MULTILINE) if CPU.exists() else None
    return found[1].strip() if found else platform.processor() or platform.machine()
