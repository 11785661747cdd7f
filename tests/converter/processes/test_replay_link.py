"""The process of a replay leaves nothing: it is killed, and what TensorFlow writes while it traces stays otherwise."""

from __future__ import annotations

from pathlib import Path

import psutil

from converter.processes.replay_link import Started


def test_the_temporary_files_of_a_killed_process_go_with_it() -> None:
    link = Started("tensorflow")
    folder = Path(psutil.Process(link.process.pid).environ()["TMPDIR"])
    (folder / "__autograph_generated_file.py").write_text("left")
    link.close()
    assert not folder.exists()
    link.close()
