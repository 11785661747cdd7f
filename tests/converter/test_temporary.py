"""Folders of killed processes go when the next one needs one; those of others stay."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from converter.temporary import sweep, temporary_folder


def test_what_dead_processes_have_left_is_swept(tmp_path: Path) -> None:
    with temporary_folder("replay") as made:
        mine = Path(made).name
    host, pid = mine.split("-")[2:4]
    assert int(pid) == os.getpid()
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    dead = done.stdout.strip()
    names = {
        f"keraport-replay-{host}-{dead}-abc": True,
        f"keraport-model-{host}-{dead}-abc": True,
        f"keraport-replay-{host}-{pid}-abc": False,
        f"keraport-replay-00000000-{dead}-abc": False,
        "keraport-replay-mine": False,
        "keraport-notes": False,
    }
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "in0.npz").write_text("x")
    (tmp_path / f"keraport-oracle-{host}-{dead}-link").symlink_to(tmp_path / "keraport-notes")
    assert sorted(sweep(tmp_path)) == sorted(name for name, goes in names.items() if goes)
    assert {path.name for path in tmp_path.iterdir() if not path.is_symlink()} == {
        n for n, goes in names.items() if not goes
    }
    assert (tmp_path / "keraport-notes" / "in0.npz").exists()
