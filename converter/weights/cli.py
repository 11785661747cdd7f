"""`keraport weights`: another checkpoint into a converted model, and its weights back to torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from converter.terminal.arguments import Checkpoint, Inputs, MaxBytes, ModelArgs, RandomWeights, SourceArgument, Trust
from converter.terminal.screen import Screen

if TYPE_CHECKING:
    from converter.weights.record import Record

app = typer.Typer(help="Checkpoints into a converted model, and back to torch.", no_args_is_help=True)

Model = Annotated[Path, typer.Argument(metavar="MODEL.keras", help="The converted model.", show_default=False)]
RecordFile = Annotated[
    Path | None,
    typer.Option(
        "--record",
        metavar="FILE",
        help="Where Keras has saved the model again: the file that convert wrote, or its report (--report FILE.json).",
    ),
]


@app.command()
def load(
    model: Model,
    checkpoint: Annotated[Path, typer.Option("--checkpoint", metavar="FILE", help="Of the same architecture.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT.keras")],
    record_file: RecordFile = None,
    trust: Trust = False,
) -> int:
    """Put another checkpoint into a converted model, by the names and views that its conversion recorded."""
    from converter.atomic_output import Output
    from converter.weights.archive import write_variables
    from converter.weights.exchange import into_variables
    from converter.weights.files import read_state
    from converter.weights.record import members_like, read_record

    screen = Screen()
    _existing(model)
    kept_in = _existing(record_file or model)
    record = read_record(kept_in)
    state = read_state(checkpoint, record.shapes, trust=trust)
    values = into_variables(record, state, f"The checkpoint {checkpoint.name}")
    kept = {**record.kept, **{name: state[name] for name in record.others if name in state}}
    with Output(output, suffix=".keras") as place:
        write_variables(model, values, place.temporary, members_like(kept_in, kept), record.order)
        place.commit()
    told = [f"{len(values)} variables have the numbers of {checkpoint}."]
    screen.lines([*told, *_nameless(record, "keep theirs"), f"Written  {output}"])
    return 0


@app.command()
def export(
    model: Model,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT.safetensors", help="Or .pt, .pth.")],
    record_file: RecordFile = None,
) -> int:
    """Write the weights of a converted model, fine-tuned or not, as the state_dict of the source."""
    from converter.sources.checkpoints.fit import listed
    from converter.weights.archive import read_variables
    from converter.weights.exchange import into_state
    from converter.weights.files import check_name, write_state
    from converter.weights.record import read_record
    from passes.errors import BadSource

    screen = Screen()
    check_name(output)
    record = read_record(_existing(record_file or model))
    state, lost = into_state(record, read_variables(_existing(model), record.told, record.order))
    if not state:
        raise BadSource(
            f"No variable of {model.name} is a tensor of {record.source}: nothing can be written back.",
            hint=" ".join(_nameless(record, "are left out")) or None,
        )
    write_state(state, output)
    told = [f"{len(state)} tensors, as in the state_dict of {record.source}."]
    if lost:
        told.append(f"{len(lost)} cannot be told from the model: {listed(lost)}.")
    screen.lines([*told, *_nameless(record, "are left out"), f"Written  {output}"])
    return 0


@app.command()
def port(
    source: SourceArgument,
    into: Annotated[
        str, typer.Option("--into", metavar="MODEL.keras", help="Or package.module:factory, which makes the model.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT.keras", help="Or OUT.weights.h5.")],
    map_file: Annotated[
        Path | None,
        typer.Option(
            "--map",
            metavar="FILE.json",
            help="Write which variable holds which tensor. A file that is there is read, and followed.",
        ),
    ] = None,
    into_args: Annotated[
        list[str] | None, typer.Option("--into-arg", metavar="NAME=VALUE", help="Given to the factory of the model.")
    ] = None,
    checkpoint: Checkpoint = None,
    inputs: Inputs = None,
    random_weights: RandomWeights = None,
    model_args: ModelArgs = None,
    trust: Trust = False,
    max_bytes: MaxBytes = None,
) -> int:
    """Put the weights of SOURCE into a Keras model that somebody wrote by hand, and prove that both are equal."""
    from converter.model_args import parse_model_args
    from converter.options import Options
    from converter.sources import load as load_source
    from converter.sources import refuse_missing
    from converter.terminal.quiet_tensorflow import import_backend

    refuse_missing(source)
    given = parse_model_args(into_args or (), "argument of the model")
    options = Options(
        inputs=inputs or (),
        checkpoint=checkpoint,
        random_weights=random_weights,
        model_args=parse_model_args(model_args or ()),
        trust=trust,
        max_bytes=max_bytes,
    )
    loaded = load_source(source, options)
    import_backend()
    from converter.weights.port.saving import port_into
    from converter.weights.port.target import load_target

    model = load_target(into, given, trust=trust)
    port_into(Screen(), loaded, model, options, output, map_file)
    return 0


def _nameless(record: Record, what: str) -> list[str]:
    """A line for the variables that no tensor of the source is the partner of, and what becomes of their numbers."""
    from converter.sources.checkpoints.fit import listed

    count = len(record.nameless)
    return [f"{count} variables without a tensor in the source {what}: {listed([*record.nameless])}."] if count else []


def _existing(path: Path) -> Path:
    from passes.errors import UsageError

    if not path.is_file():
        raise UsageError(f"There is no file {str(path)!r}.")
    return path
