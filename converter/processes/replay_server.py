"""A warm process from which the processes of `replay_child.py` are forked: TensorFlow is imported once for many models.

Run by its path, as replay_child.py is, and with the same packages hidden:

    python -P replay_server.py listen DESCRIPTOR      until its stdin is closed
    python -P replay_server.py answer DESCRIPTOR      one connection, where forking alone is not safe

A connection begins with {"memory": bytes or null}, what its process may use; then it goes on as replay_child.py says.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import resource
import socket
import sys
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent


def main() -> None:
    fork_server, replay = _beside("fork_server"), _beside("replay_child")

    def answer(connection: socket.socket) -> None:
        with connection.makefile("r", encoding="utf-8") as requests, connection.makefile("w") as answers:
            limit(json.loads(requests.readline())["memory"])
            replay.answer_all(requests, answers)

    mode, descriptor = sys.argv[1:]
    given = socket.socket(fileno=int(descriptor))
    with _beside("quiet_stderr").quiet_stderr():  # TensorFlow's announcements
        replay.prepare()
    if mode == "answer":
        answer(given)
        return
    command = [sys.executable, "-P", str(HERE / "replay_server.py"), "answer"]
    fork_server.ForkServer(given, answer, control=0, command=command).run()


def limit(memory: int | None) -> None:
    """Bytes of data that this process may have. Where the machine runs out of memory the kernel takes it first."""
    if memory is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    with contextlib.suppress(OSError):  # not every container lets it be written
        Path("/proc/self/oom_score_adj").write_text("1000")


def _beside(name: str) -> ModuleType:
    """A module of this folder, without its package: that would be keraport."""
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    if spec is None or spec.loader is None:
        raise ImportError(f"There is no {name}.py in {HERE}.")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
