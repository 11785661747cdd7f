"""`keraport golden`: keep what was proven, and check it later."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from converter.terminal.screen import Screen

if TYPE_CHECKING:
    from converter.golden.golden import Checked
    from converter.golden.store import GoldenStore

DIFFERENT = 3
MEGABYTE = 1_000_000

app = typer.Typer(help="Regression tests of conversions: record, check, update.", no_args_is_help=True)

StoreOption = Annotated[Path, typer.Option("--store", metavar="DIR", help="The folder of the goldens.")]
On = Annotated[str, typer.Option("--on", metavar="BACKENDS", help="Keras backends: tensorflow,jax,torch.")]
ModelNames = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME]...", help="By default all.", show_default=False)
]
Trust = Annotated[bool, typer.Option("--trust", help="Load pickled modules and TorchScript, which can run code.")]


@app.command()
def record(
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE...", help="As for convert.", show_default=False)],
    store: StoreOption,
    name: Annotated[str | None, typer.Option("--name", help="Of a single model; by default made of SOURCE.")] = None,
    checkpoint: Annotated[Path | None, typer.Option("--checkpoint", metavar="FILE")] = None,
    inputs: Annotated[list[str] | None, typer.Option("--input", metavar="SPEC")] = None,
    layout: Annotated[Literal["channels_last", "source"], typer.Option("--layout")] = "channels_last",
    random_weights: Annotated[int | None, typer.Option("--random-weights", metavar="SEED")] = None,
    model_args: Annotated[list[str] | None, typer.Option("--model-arg", metavar="NAME=VALUE")] = None,
    constants: Annotated[
        list[str] | None, typer.Option("--constant", metavar="NAME=VALUE", help="Of an ONNX file, as for convert.")
    ] = None,
    examples: Annotated[
        list[Path] | None, typer.Option("--example", metavar="FILE", help="Inputs of your own, as for convert.")
    ] = None,
    on: On = "",
    limit: Annotated[float, typer.Option("--limit", metavar="MB", help="On the disk, for each model.")] = 50,
    trust: Trust = False,
) -> int:
    """Convert each SOURCE and keep inputs, outputs, errors and environment. What cannot be converted is kept, too."""
    from converter.example_files import ExampleFiles
    from converter.golden.golden import name_of
    from converter.golden.golden import record as record_one
    from converter.model_args import parse_model_args
    from converter.options import Options, backend_names
    from converter.sources import refuse_missing
    from converter.terminal.quiet_tensorflow import import_backend
    from passes.errors import UsageError

    if name is not None and len(sources) > 1:
        raise UsageError("--name is for one SOURCE.")
    options = Options(
        inputs=inputs or (),
        checkpoint=checkpoint,
        layout=layout,
        random_weights=random_weights,
        model_args=parse_model_args(model_args or ()),
        constants=parse_model_args(constants or (), "constant"),
        example_files=ExampleFiles(tuple(examples)) if examples else None,
        trust=trust,
    )
    screen, kept = Screen(), _store(store)
    for source in sources:
        refuse_missing(source)  # a name that was mistyped is no golden
    import_backend()
    for source in sources:
        entry = record_one(
            kept, name or name_of(source), source, options, backends=backend_names(on), limit=round(limit * MEGABYTE)
        )
        size = _size(kept, entry)
        screen.lines([f"{entry['name']}: {entry['status']}, {len(entry['cases'])} cases, {size / MEGABYTE:.2f} MB"])
        screen.lines([f"  {entry['message']}"] if entry["message"] else [])
    return 0


@app.command()
def check(
    store: StoreOption,
    names: ModelNames = None,
    on: On = "",
    trust: Trust = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Convert again, and compare leg by leg. Exit code 3 where anything fails, is fixed, or is damaged."""
    from converter.options import backend_names
    from converter.terminal.quiet_tensorflow import import_backend

    screen, kept = Screen(), _store(store)
    chosen, found = _names(kept, names), []
    import_backend()
    for name in chosen:
        found.append(_checked(kept, name, backends=backend_names(on), trust=trust))
        if not as_json:
            screen.lines(told_of(found[-1]))
    if as_json:
        screen.results.print_json(json.dumps([checked.to_dict() for checked in found]))
    return DIFFERENT if any(checked.outcome != "ok" for checked in found) else 0


@app.command()
def update(
    store: StoreOption,
    names: ModelNames = None,
    on: On = "",
    trust: Trust = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> int:
    """Show what differs from the records, and record it anew where that is wanted."""
    from converter.golden.golden import update as update_one
    from converter.options import backend_names
    from converter.terminal.quiet_tensorflow import import_backend

    screen, kept = Screen(), _store(store)

    def agree(checked: Checked) -> bool:
        screen.lines(told_of(checked))
        return yes or typer.confirm(f"Record {checked.name} anew?")

    chosen = _names(kept, names)
    import_backend()
    for name in chosen:
        if update_one(kept, name, agree=agree, backends=backend_names(on), trust=trust) is not None:
            screen.lines([f"{name}: recorded anew"])
    return 0


def _checked(store: GoldenStore, name: str, *, backends: Sequence[str], trust: bool) -> Checked:
    """Whatever goes wrong with one model, the others are checked."""
    from converter.golden.golden import Checked, check
    from converter.terminal.causes import explained

    try:
        return check(store, name, backends=backends, trust=trust)
    except Exception as error:
        if os.environ.get("KERAPORT_DEBUG"):
            raise
        told = explained(error)
        first = (str(error).strip().splitlines() or ["no message"])[0]
        message = f"bug in keraport: {type(error).__name__}: {first}" if told is None else told.message
        return Checked(name, "FAIL", message=message)


def _store(folder: Path) -> GoldenStore:
    from converter.golden.store import GoldenStore

    return GoldenStore(folder)


def _names(store: GoldenStore, asked: list[str] | None) -> list[str]:
    """Those that are asked for, or all."""
    from passes.errors import UsageError

    names = store.names()
    if not names:
        raise UsageError(
            f"There are no goldens in {str(store.folder)!r}.", hint="keraport golden record SOURCE... --store DIR"
        )
    unknown = [name for name in asked or () if not store.has(name)]
    if unknown:
        raise UsageError(f"There is no golden {unknown[0]!r}.", hint=f"There are: {', '.join(names)}.")
    return asked or names


def _size(store: GoldenStore, entry: dict[str, Any]) -> int:
    from converter.golden.store import digests_of

    return store.sizes(list(digests_of(entry)))


def told_of(checked: Checked) -> list[str]:
    lines = [f"{checked.outcome:<8} {checked.name}" + (f": {checked.message}" if checked.message else "")]
    return lines + [f"  {finding.level}: {finding.leg}: {finding.message}" for finding in checked.findings]
