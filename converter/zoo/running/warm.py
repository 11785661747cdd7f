"""The two warm servers of one worker: one forks the children that convert, one those that replay."""

from __future__ import annotations

import atexit
import contextlib
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from converter.processes import replay_link
from converter.processes.fork_server import ONE_THREAD
from converter.processes.replay_link import default_backend
from converter.temporary import keep_folder

REPLAY_SERVER = Path(replay_link.__file__).with_name("replay_server.py")


class Servers:
    """They are started together, when they are first needed, and end with this process, however it ends.

    Attributes:
        models: the socket of model_server.py.
        replays: the socket of replay_server.py.
    """

    _shared: ClassVar[Servers | None] = None
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, packages: Sequence[str]) -> None:
        self._folder = keep_folder("zoo")  # for this user only
        self.models, self.replays = self._folder / "models", self._folder / "replays"
        model_server = ["-P", "-X", "faulthandler", "-m", f"{__package__}.model_server"]
        self._processes = [
            _start(self.models, lambda listener: [*model_server, listener, *packages]),
            _start(self.replays, lambda listener: ["-P", str(REPLAY_SERVER), "listen", listener]),
        ]
        atexit.register(self.close)

    @classmethod
    def shared(cls, packages: Sequence[str]) -> Servers:
        """Those of this process; new ones when they have died."""
        with cls._lock:
            if cls._shared is None or not cls._shared.is_alive:
                if cls._shared is not None:
                    cls._shared.close()
                cls._shared = cls(packages)
            return cls._shared

    @classmethod
    def close_shared(cls) -> None:
        with cls._lock:
            if cls._shared is not None:
                cls._shared.close()
                cls._shared = None

    @property
    def is_alive(self) -> bool:
        return all(process.poll() is None for process in self._processes)

    def close(self) -> None:
        """End both, and with them every child. Safe to call twice."""
        for process in self._processes:
            if process.stdin is not None:
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.close()
        for process in self._processes:
            process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
        atexit.unregister(self.close)


def _start(path: Path, command: Callable[[str], list[str]]) -> subprocess.Popen[bytes]:
    """Start a server that listens at `path`: connections wait from now on, whatever it imports first.

    Its stdin is a pipe that nobody else holds: it ends when that is closed. In a session of its own, because Ctrl-C is
    for this process to handle.
    """
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(64)
        return subprocess.Popen(
            [sys.executable, *command(str(listener.fileno()))],
            stdin=subprocess.PIPE,
            # Beside the socket: what killed children of it leave there goes away with it.
            env=replay_link.environment(default_backend()) | ONE_THREAD | {"TMPDIR": str(path.parent)},
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
