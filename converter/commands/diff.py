"""`keraport diff`: which layer of a converted model is guilty."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from converter.commands.files import check_model, example_files, load_source
from converter.terminal.arguments import (
    SOURCE_HELP,
    Checkpoint,
    Constants,
    Examples,
    FoldBatchnorm,
    Inputs,
    LayoutOption,
    MaxBytes,
    ModelArgs,
    NoDropout,
    Normalise,
    RandomWeights,
    State,
    StructureOption,
    Trust,
)
from converter.terminal.screen import Screen


def diff(
    model: Annotated[Path, typer.Argument(metavar="MODEL.keras", help="The converted model.", show_default=False)],
    reference: Annotated[str, typer.Argument(metavar="REFERENCE", help=SOURCE_HELP, show_default=False)],
    checkpoint: Checkpoint = None,
    inputs: Inputs = None,
    layout: LayoutOption = "channels_last",
    structure: StructureOption = "modules",
    fold_batchnorm: FoldBatchnorm = False,
    no_dropout: NoDropout = False,
    examples: Examples = None,
    normalise: Normalise = "0-1",
    repro: Annotated[
        Path | None, typer.Option("--repro", metavar="DIR", help="Write the smallest graph that fails there.")
    ] = None,
    random_weights: RandomWeights = None,
    model_args: ModelArgs = None,
    constants: Constants = None,
    trust: Trust = False,
    max_bytes: MaxBytes = None,
    state: State = "refuse",
    as_json: Annotated[bool, typer.Option("--json", help="Print every value as JSON.")] = False,
) -> int:
    """Compare every value of REFERENCE with MODEL's, and name the guilty layer. Exit code 3 if there is one.

    Give the options that the model was converted with.
    """
    screen = Screen()
    from converter.options import Options
    from converter.proof.guilt.saved_diff import diff_saved
    from converter.proof.inputs.examples import example_arrays
    from converter.terminal.quiet_tensorflow import import_backend

    check_model(model)
    loaded = load_source(
        reference,
        checkpoint=checkpoint,
        inputs=inputs or (),
        random_weights=random_weights,
        model_args=model_args,
        constants=constants,
        trust=trust,
        max_bytes=max_bytes,
        state=state,
    )
    import_backend()
    options = Options(layout=layout, structure=structure, fold_batchnorm=fold_batchnorm, dropout=not no_dropout)
    given = example_arrays(loaded, example_files(examples, normalise))
    found = diff_saved(model, loaded, options, examples=given, repro=repro, trust=trust)
    if as_json:
        screen.results.print_json(json.dumps(found.to_dict()))
    else:
        screen.compared(found)
    return 3 if found.guilty or found.victims or found.missing else 0
