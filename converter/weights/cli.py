"""`keraport weights`: another checkpoint into a converted model, and its weights back to torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from converter.terminal.screen import Screen

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
Trust = Annotated[bool, typer.Option("--trust", help="Load pickled modules and TorchScript, which can run code.")]


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
        write_variables(model, values, place.temporary, members_like(kept_in, kept))
        place.commit()
    screen.lines([f"{len(values)} variables have the numbers of {checkpoint}.", f"Written  {output}"])
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

    screen = Screen()
    check_name(output)
    record = read_record(_existing(record_file or model))
    state, lost = into_state(record, read_variables(_existing(model), record.places))
    write_state(state, output)
    told = [f"{len(state)} tensors, as in the state_dict of {record.source}.", f"Written  {output}"]
    if lost:
        told.insert(1, f"{len(lost)} cannot be told from the model: {listed(lost)}.")
    screen.lines(told)
    return 0


def _existing(path: Path) -> Path:
    from passes.errors import UsageError

    if not path.is_file():
        raise UsageError(f"There is no file {str(path)!r}.")
    return path
