"""A warm process from which the processes of `replay.py` are forked: TensorFlow is imported once for many models.

Run by its path, as replay.py is, and with the same packages hidden:

    python -P replay_server.py listen DESCRIPTOR      until its stdin is closed
    python -P replay_server.py answer DESCRIPTOR      one connection, where forking alone is not safe
"""

from __future__ import annotations

import importlib.util
import socket
import sys
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent


def main() -> None:
    fork_server, replay = _beside("fork_server"), _beside("replay")

    def answer(connection: socket.socket) -> None:
        with connection.makefile("r", encoding="utf-8") as requests, connection.makefile("w") as answers:
            replay.answer_all(requests, answers)

    mode, descriptor = sys.argv[1:]
    given = socket.socket(fileno=int(descriptor))
    replay.prepare()
    if mode == "answer":
        answer(given)
        return
    command = [sys.executable, "-P", str(HERE / "replay_server.py"), "answer"]
    fork_server.ForkServer(given, answer, control=0, command=command).run()


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
