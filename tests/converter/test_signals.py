"""A command that is killed politely tidies up; what one that was killed otherwise has left, the next one sweeps."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from converter.atomic_output import Output
from converter.temporary import beside


@pytest.fixture
def converting(small_onnx: Path, tmp_path: Path) -> subprocess.Popen[str]:
    """A conversion to `out/small.keras`, while it is writing."""
    folder = tmp_path / "out"
    folder.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "converter", "convert", small_onnx, "-o", folder / "small.keras"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    deadline = time.monotonic() + 60
    while not list(folder.iterdir()) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    return process


@pytest.mark.slow  # an import that takes the interruption for its own failure, and goes on without, is seen at times
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_polite_kill_leaves_nothing(converting: subprocess.Popen[str], tmp_path: Path, number: int) -> None:
    assert [path.name[:7] for path in (tmp_path / "out").iterdir()] == [".small."]
    converting.send_signal(number)
    _, said = converting.communicate(timeout=60)
    assert converting.returncode == 128 + number
    assert "Interrupted" in said and "Bug" not in said
    assert list((tmp_path / "out").iterdir()) == []


def test_what_a_killed_process_has_left_is_swept(converting: subprocess.Popen[str], tmp_path: Path) -> None:
    converting.kill()
    converting.communicate()
    folder = tmp_path / "out"
    assert len(list(folder.iterdir())) == 1
    mine = beside(folder / "small.keras", ".keras")  # of a process that lives
    others = [folder / ".small.notes.keras", folder / ".small.01234567-1-89abcdef.keras"]  # of another machine
    for path in (mine, *others):
        path.touch()
    with Output(folder / "small.keras") as output:
        output.temporary.write_text("new")
        output.commit()
    assert sorted(folder.iterdir()) == sorted([folder / "small.keras", mine, *others])
