"""What a porting leaves: words on the screen, the map, and the model, which is in its place only when it is proven."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras

from converter.atomic_output import WEIGHTS, Output, write_text
from converter.options import Options
from converter.sources import Source
from converter.terminal.screen import SHOWN, Screen
from converter.weights.port.map_file import read_told, to_text
from converter.weights.port.porting import Porting, port_weights
from passes.errors import NotEquivalent, UsageError


def port_into(
    screen: Screen, loaded: Source, model: Any, options: Options, output: Path, map_file: Path | None
) -> Porting:
    """Port, say what became of it, and write the model to `output`: `.keras`, or its weights alone.

    Raises:
        NotEquivalent: the model computes something else; it is kept as `OUT.unverified.keras`.
        ConversionError: as `port_weights`.
    """
    told = None
    if map_file is not None and map_file.is_file():
        told = read_told(map_file, model)
    alone = output.name.endswith(WEIGHTS)
    with Output(output, suffix=None if alone else ".keras") as place:
        porting, proven = port_weights(loaded, model, options, told)
        screen.lines(map(str, porting.rows))
        if map_file is not None and told is None:
            write_text(map_file, to_text(porting.rows, loaded.description))
        screen.rows([("Source", loaded.description), *_outcome(porting)])
        again = _saved(model, place.temporary, alone=alone)
        if not porting.is_equal:
            kept = place.keep_unverified()
            raise NotEquivalent(
                _why(porting), hint=f"The model with its weights is kept as {kept}. The lines above say where it parts."
            )
        if not proven(again).passed:
            raise NotEquivalent("The model computes something else once it is saved and loaded again.")
        screen.rows([("Written", str(place.commit()))])
    return porting


def _saved(model: Any, path: Path, *, alone: bool) -> Any:
    """The model as its file gives it back.

    Raises:
        UsageError: Keras cannot do that with classes that are not registered.
    """
    if alone:
        model.save_weights(path)
        model.load_weights(path)
        return model
    try:
        model.save(path)
        return keras.models.load_model(path)
    except Exception as error:  # whatever the classes of somebody's raise
        raise UsageError(
            f"Keras does not load the model again: {_cause(error)}",
            hint="Write its weights alone, -o OUT.weights.h5, or register its classes with Keras.",
        ) from error


def _cause(error: Exception) -> str:
    """What Keras says of the object that it does not make, without the configurations around it."""
    innermost = str(error).rpartition("Exception encountered: ")[2].strip() or type(error).__name__
    return innermost.partition(" Full object config")[0].splitlines()[0]


def _outcome(porting: Porting) -> list[tuple[str, str]]:
    rows = []
    if porting.verification is not None and porting.is_equal:
        found = porting.verification
        rows.append(("Verified", f"yes: greatest error {found.max_abs or 0:.2e} over {len(found.cases)} cases"))
    rows += [("Note" if porting.is_equal else "Parts", str(parting)) for parting in porting.partings[:SHOWN]]
    if len(porting.partings) > SHOWN:
        rows.append(("", f"and {len(porting.partings) - SHOWN} more"))
    rows += [("No partner", name) for name in porting.alone[:SHOWN]]
    if porting.unused:
        shown = ", ".join(porting.unused[:SHOWN])
        more = len(porting.unused) - SHOWN
        rows.append(("Not used", shown + (f" and {more} more" if more > 0 else "")))
    return rows


def _why(porting: Porting) -> str:
    """A layer without a partner, or else the parting at which the numbers differ most."""
    if porting.alone:
        return f"{len(porting.alone)} layers have no partner in the source: {porting.alone[0]} is the first."
    most = max(porting.partings, key=lambda parting: parting.difference, default=None)
    if most is not None and most.difference > 0:
        return f"The model is not what the source is: {most}."
    return porting.verification.reason if porting.verification is not None else "The model does not run to its end."
