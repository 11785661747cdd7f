"""The kinds of files that a conversion writes, by their endings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from passes.errors import Unsupported, UsageError

if TYPE_CHECKING:
    from converter.sources import Source

ENDINGS = {
    "keras": ".keras",
    "savedmodel": "",
    "tflite": ".tflite",
    "onnx": ".onnx",
    "openvino": ".xml",
    "weights": ".weights.h5",
    "code": ".py",
}
"""By format; a SavedModel is a folder."""

DRAWING = ("code", "weights")
"""Those that may draw random numbers, beside `.keras`."""


@dataclass(frozen=True)
class Destination:
    """A place beside the `.keras` file, and what it is to hold."""

    format: str
    path: Path


def split_outputs(
    output: str | Path | Sequence[str | Path] | None, formats: Sequence[str] = ()
) -> tuple[Path | None, list[Destination]]:
    """The `.keras` file among the outputs, and the others.

    Args:
        output: paths; a name without an ending is a SavedModel folder.
        formats: written beside the first output, under its name.

    Raises:
        UsageError: an ending or a format that is none of these, or two outputs of one kind.
    """
    paths = [Path(output)] if isinstance(output, str | Path) else [Path(path) for path in output or ()]
    unknown = sorted(set(formats) - set(ENDINGS))
    if unknown:
        raise UsageError(f"There is no format {unknown[0]!r}.", hint=f"There are: {', '.join(ENDINGS)}.")
    if formats and not paths:
        raise UsageError("--format needs an output beside which it is written.", hint="Give -o OUT.keras.")
    found = [Destination(_kind(path), path) for path in paths]
    found += [Destination(kind, paths[0].with_suffix(ENDINGS[kind])) for kind in formats]
    found = list({each.path: each for each in found}.values())
    kinds = [each.format for each in found]
    twice = next((kind for kind in kinds if kinds.count(kind) > 1), None)
    if twice is not None:
        raise UsageError(f"Two outputs are to be of the format {twice}.")
    main = next((each.path for each in found if each.format == "keras"), None)
    return main, [each for each in found if each.format != "keras"]


def refuse_overwriting(outputs: Iterable[Path | None], read: Iterable[Any]) -> None:
    """What is converted from is not written over: `model.onnx` with `-o model.keras --format onnx`.

    Args:
        read: what the call names as its source and the like; what is no file is passed over.

    Raises:
        UsageError: an output is one of them.
    """
    files = [file for each in read if (file := _file_of(each)) is not None]
    for output in outputs:
        if output is None or not output.exists():
            continue
        if any(output.samefile(file) for file in files):
            raise UsageError(
                f"{str(output)!r} is what is converted from: it would be written over.", hint="Give another name."
            )


def _file_of(told: Any) -> Path | None:
    """The file that a source is read from: of `package.module:factory` that of the module, where it lies nearby."""
    if not isinstance(told, str | Path):
        return None
    module, colon, _ = str(told).partition(":")
    near = Path(*module.split(".")).with_suffix(".py") if colon and module.strip(".") else Path(told)
    return next((file for file in (Path(told), near) if file.exists()), None)


def refuse_noise(loaded: Source, backend: str, destinations: Sequence[Destination]) -> None:
    """What draws random numbers is written where a proof can put numbers of its own in their place.

    Raises:
        Unsupported: it is to be written elsewhere.
    """
    if not loaded.noise:
        return
    others = [each.format for each in destinations if each.format not in DRAWING]
    if backend != "keras" or others:
        raise Unsupported(
            f"A model that draws random numbers is not written as {others[0] if others else 'files of onnx2tf'}: what "
            "such files draw cannot be known, so nothing can be proven of them.",
            node=next(iter(loaded.noise.values())).node,
            hint=f"It can be written as: {', '.join(('keras', *DRAWING))}.",
        )


def _kind(path: Path) -> str:
    if not path.suffix:
        return "savedmodel"
    for kind, ending in ENDINGS.items():
        if ending and path.name.endswith(ending):
            return kind
    endings = [ending for ending in ENDINGS.values() if ending]
    raise UsageError(
        f"The output {str(path)!r} must end in {', '.join(endings)}, or be a folder.",
        hint="A folder is a SavedModel; one with a dot in its name needs a trailing name, as in out.d/savedmodel.",
    )
