"""`keraport zoo`: many models, one command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from converter.terminal.screen import Screen

if TYPE_CHECKING:
    from converter.zoo.records.entry import Entry

DIFFERENT = 3
"""The exit code where a model's status is not the expected one."""

GIGABYTE = 1 << 30

app = typer.Typer(help="Convert whole zoos: every model in a process of its own.", no_args_is_help=True)

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.", show_default=False)]


@app.command()
def run(
    manifests: Annotated[
        list[Path],
        typer.Argument(
            metavar="MANIFEST...", help="TOML files, see models/; or models and folders of them.", show_default=False
        ),
    ],
    expression: Annotated[
        str, typer.Option("--filter", metavar="EXPR", help="Such as 'tag:cnn -name:*_large'; all terms must hold.")
    ] = "",
    jobs: Annotated[int, typer.Option("--jobs", min=1, metavar="N", help="Models at the same time.")] = 2,
    timeout: Annotated[float, typer.Option("--timeout", min=1, metavar="S", help="Seconds for each model.")] = 1800,
    memory: Annotated[
        float | None,
        typer.Option("--memory", min=0.1, metavar="GB", help="For each model. Default: the machine's, shared."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="RUN", help="The folder of the run.")] = Path("zoo-run"),
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run: what is unchanged stays.")] = False,
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", metavar="ADDRESS", help="Of a Dask scheduler: tcp://host:8786.")
    ] = None,
    outputs: Annotated[
        str | None, typer.Option("--outputs", metavar="URL", help="Where models go instead of RUN: s3://bucket/folder.")
    ] = None,
    golden: Annotated[
        Path | None,
        typer.Option("--golden", metavar="DIR", help="A store: check what it has of the models, record the others."),
    ] = None,
    backend: Annotated[
        str, typer.Option("--backend", metavar="NAMES", help="keras, onnx2tf, or both: keras,onnx2tf compares them.")
    ] = "keras",
) -> int:
    """Convert and verify every model of the MANIFESTs. Exit code 3 where a status is not the expected one."""
    screen = Screen()
    from converter.zoo.manifests.backends import by_backends, parse_backends
    from converter.zoo.manifests.manifest import read
    from converter.zoo.manifests.selection import select
    from converter.zoo.results.dashboard import write_dashboard
    from converter.zoo.running.progress import Progress
    from converter.zoo.running.run import Settings, run_zoo

    backends = parse_backends(backend)
    if "onnx2tf" in backends and scheduler is None:
        from converter.backends.onnx2tf.environment import python_of

        python_of("onnx2tf", None)  # before hours of models that all say so
    models = read(manifests)
    whole, entries = by_backends(models, backends), by_backends(select(models, expression), backends)
    bytes_each = None if memory is None else int(memory * GIGABYTE)
    settings = Settings(out, jobs, timeout, bytes_each, resume, scheduler, outputs)
    try:
        found = run_zoo(entries, settings, Progress(screen.progress), whole=whole)
    except KeyboardInterrupt:
        screen.progress.print(f"Stopped. Go on with: keraport zoo run … --out {out} --resume", markup=False)
        raise
    unexpected = [entry.name for entry in entries if entry.expected not in ("", found.get(entry.name))]
    screen.zoo(found, unexpected, write_dashboard(out))
    drifted = golden is not None and _goldens_differ(golden, entries, found, screen)
    return DIFFERENT if unexpected or drifted else 0


def _goldens_differ(store: Path, entries: Sequence[Entry], found: Mapping[str, str], screen: Screen) -> bool:
    """Check or record the goldens of what was verified, line by line."""
    from converter.golden.cli import told_of
    from converter.zoo.goldens import keep_or_check

    differ = False
    for what, checked in keep_or_check(store, entries, found):
        screen.lines([f"{what}: {line}" for line in told_of(checked)])
        differ |= checked.outcome != "ok"
    return differ


@app.command()
def report(
    run_folder: RunArgument,
    against: Annotated[Path | None, typer.Option("--against", metavar="OTHER", help="An earlier run.")] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE.html", help="Default: in the run's folder.")
    ] = None,
) -> int:
    """Write the page of a run: totals, every model, failures by what would fix them."""
    from converter.zoo.results.dashboard import write_dashboard

    Screen().results.print(str(write_dashboard(run_folder, against, output)), markup=False)
    return 0


@app.command()
def check(
    run_folder: RunArgument,
    expect: Annotated[
        Path | None,
        typer.Option("--expect", metavar="FILE", help="Statuses: TOML or an earlier run. Default: the manifests'."),
    ] = None,
) -> int:
    """Compare a run's statuses with the expected ones. Exit code 3 on any change; a fixed model is one, too."""
    from converter.zoo.results.check import check as find_changes

    changes = find_changes(run_folder, expect)
    screen = Screen()
    for change in changes:
        screen.results.print(str(change), markup=False)
    screen.results.print(f"{len(changes)} changes" if changes else "As expected.")
    return DIFFERENT if changes else 0


@app.command()
def export(
    run_folder: RunArgument,
    target: Annotated[Path, typer.Argument(metavar="FILE", help=".csv or .parquet", show_default=False)],
) -> int:
    """Write a run as one flat table."""
    from converter.zoo.results.export import export as write

    Screen().results.print(str(write(run_folder, target)), markup=False)
    return 0
