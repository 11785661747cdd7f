"""What became of the models of the zoos, kept in docs/zoos/ and shown in docs/zoos.md.

python -m scripts.zoos record RUN...
    Keep what the runs of `keraport zoo run` say, a file for each manifest; scripts/support_table.py makes the page.

python -m scripts.zoos check [NAME...] [--filter EXPR] [--slice I/N] [--jobs N] [--out DIR]
    Run the manifests of models/ anew, all by default, and compare with what is kept. Ends with 3 where a model became
    something else, be it better. `--slice 3/20` takes every twentieth model, from the fourth on.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from converter.terminal.screen import Screen
from converter.zoo.cli import DIFFERENT
from converter.zoo.manifests.manifest import read
from converter.zoo.manifests.selection import select
from converter.zoo.records.result import VERIFIED
from converter.zoo.results import lines
from converter.zoo.results.check import check
from converter.zoo.results.signatures import signatures
from converter.zoo.running.progress import Progress
from converter.zoo.running.run import Settings, run_zoo
from scripts.children import ROOT
from scripts.machine import describe_machine

MODELS = ROOT / "models"
RECORDS = ROOT / "docs" / "zoos"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    actions = parser.add_subparsers(dest="action", required=True)
    record_parser = actions.add_parser("record")
    record_parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    check_parser = actions.add_parser("check")
    check_parser.add_argument("names", nargs="*", metavar="NAME")
    check_parser.add_argument("--filter", default="", metavar="EXPR", dest="expression")
    check_parser.add_argument("--slice", type=_slice, default=slice(None), metavar="I/N", dest="part")
    check_parser.add_argument("--jobs", type=int, default=2, metavar="N")
    check_parser.add_argument("--out", type=Path, default=Path("zoo-check"), metavar="DIR")
    options = parser.parse_args(arguments)
    if options.action == "record":
        record(options.runs)
        return 0
    names = options.names or sorted(path.stem for path in RECORDS.glob("*.jsonl"))
    return run_and_check(names, options)


def _slice(text: str) -> slice:
    first, _, every = text.partition("/")
    return slice(int(first) % int(every), None, int(every))


def record(runs: Iterable[Path]) -> None:
    """Put the results of runs into the records: a model of a manifest goes into the file of that name."""
    machine = describe_machine()
    made = {key: machine[key] for key in ("date", "versions")}
    manifests = {
        path.stem: [entry.name for entry in read([path], check_files=False)] for path in sorted(MODELS.glob("*.toml"))
    }
    for run in runs:
        results = {str(result["name"]): result for result in lines.read(run / "results.jsonl")}
        for manifest in _manifests_of(results.keys(), manifests):
            path = RECORDS / f"{manifest}.jsonl"
            known = {line["name"]: line for line in lines.read(path)} if path.exists() else {}
            names = manifests[manifest]
            known |= {name: {**_kept(results[name]), **made} for name in names if name in results}
            path.parent.mkdir(exist_ok=True)
            lines.write(path, (known[name] for name in names if name in known))


def _manifests_of(names: Set[str], manifests: Mapping[str, Sequence[str]]) -> list[str]:
    """The smallest manifest that has all of a run's models; where none has, those that have some of them."""
    whole = [manifest for manifest, known in manifests.items() if names <= set(known)]
    if whole:
        return [min(whole, key=lambda manifest: len(manifests[manifest]))]
    return [manifest for manifest, known in manifests.items() if not names.isdisjoint(known)]


def _kept(result: Mapping[str, Any]) -> dict[str, Any]:
    """What the page shows of a result."""
    report = result.get("report") or {}
    custom = sorted({layer["layer"] for layer in report.get("custom_layers") or ()})
    kept = {
        "name": result["name"],
        "status": result["status"],
        "transposes": report.get("transposes"),
        "trained": report.get("trainable_parameters"),
        "trained_in_source": report.get("source_trainable_parameters"),
        "unused_in_source": report.get("source_unused_parameters"),
        "custom_layers": custom,
    }
    if result["status"] != VERIFIED:
        kept["reason"] = (signatures(result.get("detail") or {}) or [""])[0]
    return kept


def run_and_check(names: Sequence[str], options: argparse.Namespace) -> int:
    """What `keraport zoo run` does with each manifest, and `zoo check` against what is kept of it."""
    screen = Screen()
    differ = False
    for name in names:
        whole, folder = read([MODELS / f"{name}.toml"]), options.out / name
        entries = select(whole, options.expression)[options.part]
        settings = Settings(folder, options.jobs, resume=folder.exists())
        run_zoo(entries, settings, Progress(screen.progress), whole=whole)
        asked = {entry.name for entry in entries}
        changes = [change for change in check(folder, RECORDS / f"{name}.jsonl") if change.name in asked]
        screen.lines([f"{name}: {len(changes)} changes", *map(str, changes)])
        differ |= bool(changes)
    return DIFFERENT if differ else 0


if __name__ == "__main__":
    raise SystemExit(main())
