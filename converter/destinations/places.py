"""Where the files beside the `.keras` file are made, and which of them are put in place: each for itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from converter.atomic_output import Output
from converter.destinations.kinds import Destination
from converter.temporary import beside, sweep_beside
from passes.errors import ConversionError, NotEquivalent, UsageError

SEVERAL = ("code", "openvino")
"""Formats of several files."""


@dataclass
class Place:
    """Of one destination.

    Attributes:
        destination: what it becomes.
        file: where it is written, before it has been proven.
        told: what the report has of it; see `described`.
        error: why it is not put in place, or None.
    """

    destination: Destination
    file: Path
    told: dict[str, Any] = field(default_factory=dict)
    error: ConversionError | None = None

    @contextmanager
    def tried(self) -> Iterator[None]:
        """What this file cannot hold, others may: the error is kept for `placed_all`, and the others go on.

        Raises:
            UsageError: the call is wrong, for all of them.
        """
        try:
            yield
        except UsageError:
            raise
        except ConversionError as error:
            self.error, self.told["error"] = error, error.to_dict()

    def written(self) -> None:
        """Tell its size."""
        folder = self.file.parent if self.destination.format in SEVERAL else self.file
        files = [self.file] if folder.is_file() else [path for path in folder.rglob("*") if path.is_file()]
        self.told["output_bytes"] = sum(path.stat().st_size for path in files)


def described(destination: Destination, quantised: str | None = None) -> dict[str, Any]:
    """For the report, as far as it is known before anything is written."""
    kind = quantised if destination.format == "tflite" else None
    told = {"format": destination.format, "quantised": kind, "output": str(destination.path), "output_bytes": None}
    return {**told, "verification": None, "error": None}


@contextmanager
def placed_all(destinations: Sequence[Destination], others: Callable[[], Sequence[str]]) -> Iterator[list[Place]]:
    """Places to write to. Where the block ends well, those without an error become their destinations; what is left of
    the rest goes away, and only then it is said.

    Args:
        others: says at the end which files were put in place beside these.

    Raises:
        UsageError: a folder of this name is there already, or a place cannot be written.
        ConversionError: the errors of those that were tried in vain.
    """
    with ExitStack() as stack:
        places = [stack.enter_context(_placed(each)) for each in destinations]
        yield places
    lost = [place for place in places if place.error is not None]
    if lost:
        kept = [*others(), *(str(place.destination.path) for place in places if place.error is None)]
        raise _of_all(lost, kept) from lost[0].error


def _of_all(lost: Sequence[Place], kept: Sequence[str]) -> ConversionError:
    """One error for them, of the gravest kind, with what was written all the same."""
    errors = [place.error for place in lost if place.error is not None]
    gravest = next((error for error in errors if isinstance(error, NotEquivalent)), errors[0])
    hints = [*dict.fromkeys(error.hint for error in errors if error.hint)]
    names = ", ".join(str(place.destination.path) for place in lost)
    if kept:
        hints.append(f"{names} {'was' if len(lost) == 1 else 'were'} not written; written: {', '.join(kept)}.")
    message = "\n".join(error.message for error in errors)
    return type(gravest)(message, node=gravest.node, hint=" ".join(hints) or None)


def _placed(destination: Destination) -> AbstractContextManager[Place]:
    if destination.format == "savedmodel":
        return _placed_folder(destination)
    return _placed_files(destination) if destination.format in SEVERAL else _placed_file(destination)


@contextmanager
def _placed_file(destination: Destination) -> Iterator[Place]:
    with Output(destination.path) as output:
        place = Place(destination, output.temporary)
        yield place
        if place.error is None:
            output.commit()


@contextmanager
def _placed_folder(destination: Destination) -> Iterator[Place]:
    target = destination.path
    with _beside(target, is_taken=target.exists()) as temporary:
        place = Place(destination, temporary)
        yield place
        if place.error is None:
            temporary.rename(target)


@contextmanager
def _placed_files(destination: Destination) -> Iterator[Place]:
    """A file and those that it reads, which lie beside it: last the file."""
    target, weights = destination.path, destination.path.with_suffix(".bin")
    if destination.format == "openvino" and weights.exists() and not target.exists():
        raise UsageError(
            f"{str(weights)!r} is there already, without {target.name}: OpenVINO's weights would be written over it.",
            hint="Remove it, or give another name.",
        )
    with _beside(target, is_taken=target.is_dir()) as temporary:
        temporary.mkdir()
        place = Place(destination, temporary / target.name)
        yield place
        if place.error is None:
            for file in sorted(temporary.iterdir(), key=lambda file: file.name == target.name):
                file.replace(target.with_name(file.name))


@contextmanager
def _beside(target: Path, *, is_taken: bool) -> Iterator[Path]:
    """A name for a folder beside the target; what is left of it goes away."""
    if is_taken:
        raise UsageError(f"{str(target)!r} is there already.", hint="Remove it, or give another name.")
    if not target.parent.is_dir():
        raise UsageError(f"The directory {str(target.parent)!r} does not exist.")
    sweep_beside(target)
    temporary = beside(target)
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
