"""Files appear whole or not at all: written beside their place, synced, then renamed into it."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from converter.temporary import beside, sweep_beside
from passes.errors import UsageError

WEIGHTS = ".weights.h5"
"""An ending of two parts, which Keras insists on."""

_FULL = (errno.ENOSPC, errno.EDQUOT)

_NO_ROOM = (*_FULL, errno.EFBIG)
"""Beside a full disk: a file larger than this user's may be."""


class Output:
    """The place of a file that is being made. Leaving the block without `commit` or `keep_unverified` removes it.

        with Output("out.keras", suffix=".keras") as output:
            model.save(output.temporary)
            output.commit()

    Whatever was at the target before stays as it is until the rename.

    Raises:
        UsageError: the folder does not exist or cannot be written, the name has another suffix, the disk is full.
    """

    def __init__(self, target: str | Path, *, suffix: str | None = None) -> None:
        self.target = Path(target)
        if suffix is not None and self.target.suffix != suffix:
            raise UsageError(f"The output {str(target)!r} must end in {suffix}.")
        if self.target.is_dir():
            raise UsageError(f"The output {str(target)!r} is a directory.", hint="Name a file in it.")
        folder = self.target.parent
        if not folder.is_dir():
            raise UsageError(f"The directory {str(folder)!r} does not exist.", hint=f"Make it: mkdir -p '{folder}'")
        # The ending stays last: Keras goes by it.
        self._ending = WEIGHTS if self.target.name.endswith(WEIGHTS) else self.target.suffix
        self.temporary = beside(self.target, self._ending)

    def __enter__(self) -> Output:
        """Claim the place at once, so that a folder that cannot be written is known before hours of work."""
        with self._explained():
            self.temporary.touch(exist_ok=False)
            sweep_beside(self.target, self._ending)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.temporary.unlink()
        told = isinstance(error, UsageError)  # of another place, by one who knows it
        if isinstance(error, Exception) and not told and (problem := disk_problem(error)) is not None:
            raise self._failure(problem) from error

    def commit(self) -> Path:
        """Put the file in its place."""
        return self._move_to(self.target)

    def keep_unverified(self) -> Path:
        """Put the file beside its place, as `NAME.unverified.keras`. The target is not touched."""
        return self._move_to(self.target.with_suffix(f".unverified{self.target.suffix}"))

    def _move_to(self, place: Path) -> Path:
        with self._explained():
            _sync(self.temporary)
            os.replace(self.temporary, place)
            _sync(place.parent)
        return place

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._failure(error) from error

    def _failure(self, error: OSError) -> UsageError:
        if error.errno in _FULL:
            return UsageError(
                f"The disk is full: {str(self.target)!r} was not written.", hint=f"Make room on {self.target.parent}."
            )
        return UsageError(f"{str(self.target)!r} cannot be written: {error.strerror or error}.")


def write_text(target: str | Path, text: str) -> Path:
    """Write a text file whole or not at all.

    Raises:
        UsageError: as `Output`.
    """
    with Output(target) as output:
        output.temporary.write_text(text, encoding="utf-8")
        return output.commit()


def disk_problem(error: BaseException) -> OSError | None:
    """The full disk behind an error: HDF5 and zip writers wrap it in errors of their own."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in _NO_ROOM:
            return seen
        told = next((number for number in _NO_ROOM if os.strerror(number) in str(seen)), None)
        if told is not None:
            return OSError(told, os.strerror(told))
        seen = seen.__cause__ or seen.__context__
    return None


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
