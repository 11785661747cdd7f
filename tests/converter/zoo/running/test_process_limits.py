"""The limits that a child sets itself, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from converter.zoo.running.process_limits import THREAD_VARIABLES

SCRIPT = """
import json, os, resource, sys
from pathlib import Path
from converter.zoo.running import process_limits
from converter.zoo.records.entry import Limits

def held():
    return resource.getrlimit(resource.RLIMIT_DATA)

def score():
    return int(Path("/proc/self/oom_score_adj").read_text())

found = {}
"""


def run(body: str) -> dict[str, Any]:
    """What the body puts into `found`."""
    code = f"{SCRIPT}\n{body}\nprint(json.dumps(found))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def test_an_allocation_beyond_the_limit_is_a_memory_error_and_the_process_lives_on() -> None:
    found = run("""
process_limits.apply(Limits(memory=1 << 30))
found["limit"] = held()
try:
    block = bytearray(2 << 30)
except MemoryError as error:
    found["error"] = type(error).__name__
found["below"] = len(bytearray(1 << 20))
""")
    assert found == {"limit": [1 << 30, 1 << 30], "error": "MemoryError", "below": 1 << 20}


def test_all_that_it_starts_has_the_limit_too() -> None:
    found = run("""
import subprocess
process_limits.apply(Limits(memory=1 << 30))
ran = subprocess.run([sys.executable, "-c", "bytearray(2 << 30)"], capture_output=True, text=True)
found["said"] = ran.stderr.strip().splitlines()[-1]
""")
    assert found == {"said": "MemoryError"}


def test_a_limit_that_is_tighter_already_stays() -> None:
    found = run("""
resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))
process_limits.apply(Limits(memory=2 << 30))
found["limit"] = held()
""")
    assert found == {"limit": [1 << 30, 1 << 30]}


def test_without_a_limit_memory_is_left_alone() -> None:
    found = run("""
before = held()
process_limits.apply(Limits(memory=None))
found["same"] = held() == before
""")
    assert found == {"same": True}


def test_there_are_no_core_files() -> None:
    assert run("process_limits.apply(Limits()); found['core'] = resource.getrlimit(resource.RLIMIT_CORE)") == {
        "core": [0, 0]
    }


def test_the_kernel_takes_it_first() -> None:
    found = run("""
try:
    Path("/proc/self/oom_score_adj").write_text(str(min(1000, score() + 1)))
    expected = 1000
except OSError:
    expected = score()
process_limits.apply(Limits())
found["as it should be"] = score() == expected
""")
    assert found == {"as it should be": True}


def test_threads_are_told_to_the_libraries() -> None:
    found = run("""
for name in process_limits.THREAD_VARIABLES:
    os.environ[name] = "7"
process_limits.apply(Limits(threads=0))
found["left"] = [os.environ[name] for name in process_limits.THREAD_VARIABLES]
process_limits.apply(Limits(threads=2))
found["set"] = [os.environ[name] for name in process_limits.THREAD_VARIABLES]
""")
    assert found == {"left": ["7"] * len(THREAD_VARIABLES), "set": ["2"] * len(THREAD_VARIABLES)}
    assert "OMP_NUM_THREADS" in THREAD_VARIABLES
