"""`keraport inspect` and `keraport passes`: what is in a source, and what becomes of its graph."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from converter.commands.files import load_source
from converter.terminal.arguments import (
    Checkpoint,
    Constants,
    FoldBatchnorm,
    Inputs,
    LayoutOption,
    MaxBytes,
    ModelArgs,
    RandomWeights,
    SourceArgument,
    State,
    Trust,
)
from converter.terminal.screen import Screen


def inspect(
    source: SourceArgument,
    checkpoint: Checkpoint = None,
    inputs: Inputs = None,
    random_weights: RandomWeights = None,
    model_args: ModelArgs = None,
    constants: Constants = None,
    trust: Trust = False,
    max_bytes: MaxBytes = None,
    state: State = "refuse",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    why_node: Annotated[
        str | None, typer.Option("--why", metavar="NODE", help="Say why the nodes around this one were not fused.")
    ] = None,
) -> int:
    """Show opset, inputs and operators of SOURCE, and everything in it that is not supported. Exit code 2 if any."""
    screen = Screen()
    loaded = load_source(
        source,
        checkpoint=checkpoint,
        inputs=inputs or (),
        random_weights=random_weights,
        model_args=model_args,
        constants=constants,
        trust=trust,
        max_bytes=max_bytes,
        state=state,
    )
    from converter.inspect_source import inspect as look
    from converter.inspect_source import why
    from converter.terminal.quiet_tensorflow import import_backend

    if why_node is not None:
        screen.lines(map(str, why(loaded, why_node)))
        return 0
    import_backend()
    found = look(loaded)
    if as_json:
        screen.results.print_json(json.dumps(found.to_dict()))
    else:
        screen.inspected(found)
    return max((problem.exit_code for problem in found.problems), default=0)


def passes(
    source: SourceArgument,
    dump: Annotated[
        Path | None, typer.Option("--dump", metavar="DIR", help="Write the graph after every pass, as NN_name.onnx.")
    ] = None,
    checkpoint: Checkpoint = None,
    inputs: Inputs = None,
    layout: LayoutOption = "channels_last",
    fold_batchnorm: FoldBatchnorm = False,
    random_weights: RandomWeights = None,
    model_args: ModelArgs = None,
    constants: Constants = None,
    trust: Trust = False,
    max_bytes: MaxBytes = None,
    state: State = "refuse",
) -> int:
    """Run the passes on SOURCE one by one, and show or write the graph after each."""
    screen = Screen()
    loaded = load_source(
        source,
        checkpoint=checkpoint,
        inputs=inputs or (),
        random_weights=random_weights,
        model_args=model_args,
        constants=constants,
        trust=trust,
        max_bytes=max_bytes,
        state=state,
    )
    from converter.inspect_source import dump_passes

    screen.passes(dump_passes(loaded, dump, layout=layout, fold_batchnorm=fold_batchnorm))
    return 0
