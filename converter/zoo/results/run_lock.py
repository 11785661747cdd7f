"""One process writes to a run at a time."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

from passes.errors import UsageError

_held: set[Path] = set()
_guard = threading.Lock()


class RunLock:
    """Held until `release`, or until the process is gone, however it goes.

    A POSIX lock, which child processes do not inherit: one that outlives a killed run does not keep the run locked.
    Such a lock says nothing inside of one process, so what this process holds is kept in a set beside it.

    Raises:
        UsageError: another process, or another store of this one, has the run.
    """

    def __init__(self, folder: Path) -> None:
        self._path = (folder / "lock").resolve()
        with _guard:
            if self._path in _held:
                raise _refusal(folder, str(os.getpid()))
            try:
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
            except OSError as error:
                raise UsageError(f"{str(self._path)!r} cannot be written: {error.strerror or error}.") from error
            try:
                fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                holder = os.read(self._descriptor, 32).decode("ascii", "replace").strip()
                os.close(self._descriptor)
                raise _refusal(folder, holder) from error
            os.ftruncate(self._descriptor, 0)
            os.write(self._descriptor, f"{os.getpid()}\n".encode("ascii"))
            _held.add(self._path)

    def release(self) -> None:
        """Let others in. The file stays: taking it away would let two in at once."""
        with _guard:
            if self._path in _held:
                _held.remove(self._path)
                os.close(self._descriptor)


def _refusal(folder: Path, holder: str) -> UsageError:
    return UsageError(
        f"The run {str(folder)!r} is being written to by process {holder or 'of another machine'}.",
        hint="Wait until it has ended, or name another folder with --out.",
    )
