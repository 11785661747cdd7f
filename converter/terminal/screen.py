"""What the command line shows: progress and errors on stderr, results on stdout."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from converter.inspect_source import Inspection
    from converter.proof.guilt.diff import ValueDifference
    from converter.proof.guilt.saved_diff import Diff
    from converter.report import Report, Stage
    from passes.errors import ConversionError

SHOWN = 20
"""Models that a summary lists by name."""

ISSUES = "Please report it with the command that you ran."


class Screen:
    """The two streams of one call. Made anew each time, so that it writes to whatever stdout and stderr are then."""

    def __init__(self) -> None:
        self.results = Console(highlight=False, soft_wrap=True)
        self.progress = Console(stderr=True, highlight=False, soft_wrap=True)

    def stage(self, report: Report, stage: Stage) -> None:
        """One line for each part of the way, once it is over."""
        if stage.ok is not None:
            mark = "[green]✓[/]" if stage.ok else "[red]✗[/]"
            self.progress.print(f"{mark} {escape(stage.name):<12} {stage.seconds:7.2f} s")

    def error(self, error: ConversionError) -> None:
        self.progress.print(f"[bold red]Error[/] ({error.kind}): {escape(error.message)}")
        if error.node:
            self.progress.print(f"  at: {escape(error.node)}")
        if error.hint:
            self.progress.print(f"  {escape(error.hint)}")

    def usage(self, message: str) -> None:
        self.progress.print(f"[bold red]Error[/] (usage): {escape(message)}")
        self.progress.print("  `keraport --help` shows the commands, `keraport COMMAND --help` the options.")

    def interrupted(self) -> None:
        self.progress.print("[bold red]Interrupted[/]: what was not finished was not written.")

    def bug(self, error: BaseException) -> None:
        first = (str(error).strip().splitlines() or ["no message"])[0]
        self.progress.print(f"[bold red]Bug in keraport[/]: {type(error).__name__}: {escape(first)}")
        self.progress.print(f"  {ISSUES} KERAPORT_DEBUG=1 in the environment shows the traceback.")

    def converted(self, report: Report, extra: Sequence[tuple[str, str]] = ()) -> None:
        """The outcome of a conversion or of a verification."""
        rows = [("Source", report.source)]
        if report.verification is not None:
            by_signal = report.dtype_policy is not None and not report.dtype_policy["proven_without"]
            rows.append(("Verified", _verdict(report.verification, by_signal=by_signal)))
            rows.append(("Oracle", report.verification["oracle"]))
        else:
            rows.append(("Verified", "no"))
        if report.dtype_policy is not None:
            rows.append(("Dtype policy", _policy(report.dtype_policy)))
        if report.transposes is not None:
            rows.append(("Transposes", str(report.transposes)))
        if report.parameters is not None:
            rows.append(("Parameters", f"{report.parameters:,}, of which {report.trainable_parameters:,} are trained"))
        rows.extend(("Note", note) for note in report.notes)
        rows.extend(extra)
        self._grid(rows)

    def unequal(self, report: Report) -> None:
        """Where a model and its source part ways, when that is known."""
        first = (report.verification or {}).get("first_difference")
        if first:
            known = [f"{key} {value}" for key, value in first.items() if value is not None and value != ""]
            self.progress.print(f"  first difference: {escape(', '.join(known))}")

    def compared(self, found: Diff) -> None:
        """The guilty layer of a saved model, and what follows from it."""
        rows = [("Values", f"{len(found.values)} compared, each layer by itself and as errors flow")]
        guilty = found.guilty
        if guilty is not None:
            rows.append(("Guilty", f"layer {guilty.layer}, {guilty.node}"))
            rows.append(("", guilty.isolated.reason + (f", worst at {guilty.worst}" if guilty.worst else "")))
            if guilty.line:
                rows.append(("Source line", guilty.line))
        rows.extend(
            ("Guilty too", f"layer {other.layer}, {other.node}: {other.isolated.reason}")
            for other in found.others[:SHOWN]
        )
        rows.extend(("Victim", f"layer {v.layer}, {v.node}: {_reason(v)}") for v in found.victims[:SHOWN])
        if len(found.victims) > SHOWN:
            rows.append(("", f"and {len(found.victims) - SHOWN} more"))
        if found.missing:
            rows.append(("Missing", f"{len(found.missing)} values, {', '.join(found.missing[:SHOWN])}"))
        if guilty is None and not found.victims and not found.missing:
            rows.append(("Guilty", "no layer"))
        if found.repro is not None:
            rows.append(("Repro", f"{found.repro}: python repro.py"))
        self._grid(rows)

    def inspected(self, found: Inspection) -> None:
        opsets = ", ".join(f"{domain or 'ai.onnx'} {version}" for domain, version in found.opsets.items())
        rows = [("Source", found.source), ("Opset", opsets)]
        for kind, ports in (("Input", found.inputs), ("Output", found.outputs)):
            rows.extend((kind, f"{p.name}: {p.dtype}[{', '.join(map(str, p.shape))}]") for p in ports)
        rows.append(("Operators", _counts(found.operators)))
        if found.converted:
            rows.append(("After passes", _counts(found.converted)))
        rows.append(("Convertible", "no" if found.problems else "yes"))
        self._grid(rows)
        for problem in found.problems:
            self.error(problem)

    def lines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.results.print(line, markup=False, soft_wrap=True)

    def passes(self, stages: Sequence[tuple[str, int]]) -> None:
        table = Table("", "Pass", "Nodes", box=None, pad_edge=False)
        for place, (name, nodes) in enumerate(stages):
            table.add_row(f"{place:02d}", name, str(nodes))
        self.results.print(table)

    def zoo(self, found: Mapping[str, str], unexpected: Sequence[str], page: Path) -> None:
        """The totals of a run, and the models whose status is not the expected one."""
        rows = [(status, str(count)) for status, count in Counter(found.values()).most_common()]
        rows.extend(("Unexpected", f"{name}: {found.get(name, 'no result')}") for name in unexpected[:SHOWN])
        if len(unexpected) > SHOWN:
            rows.append(("", f"and {len(unexpected) - SHOWN} more"))
        self._grid([*rows, ("Page", str(page))])

    def rows(self, rows: Sequence[tuple[str, str]]) -> None:
        """Names, and what is said of each."""
        self._grid(rows)

    def _grid(self, rows: Sequence[tuple[str, str]]) -> None:
        for name, value in rows:
            self.results.print(f"[bold]{name:<13}[/] {escape(value)}")


def _verdict(verification: Mapping[str, Any], *, by_signal: bool) -> str:
    if not verification["passed"]:
        return f"NOT EQUIVALENT. {verification['reason']}"
    worst, count = verification["max_abs"], len(verification["cases"])
    error = "outputs equal" if worst is None else f"greatest error {worst:.2e}"
    how = ", quickly" if verification["mode"] == "quick" else ""
    yes = "yes, by the signal that it keeps" if by_signal else "yes"
    return f"{yes}: {error} over {count} case{'s' if count != 1 else ''}, on {verification['backend']}{how}"


def _policy(told: Mapping[str, Any]) -> str:
    """What is left on the backend and in the output where it is least; the rest is in the report."""
    left = [(output, each["backend"]) for each in told["measured"] for output in each["outputs"]]
    known = [(output, backend) for output, backend in left if output["snr_db"] is not None]
    if not known:
        return f"{told['name']}: {'nothing is lost' if told['measured'] else 'not measured'}"
    worst, backend = min(known, key=lambda pair: pair[0]["snr_db"])
    return f"{told['name']}: {worst['snr_db']:.1f} dB of signal to noise in {worst['name']!r}, on {backend}"


def _reason(value: ValueDifference) -> str:
    return "" if value.cumulative is None else value.cumulative.reason


def _counts(operators: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in operators.items())


def written(report: Report) -> list[tuple[str, str]]:
    """A row for each file of a conversion, with what a call of it takes."""
    places = [report.output] if report.output else []
    for each in report.destinations:
        if each["error"] is not None:
            continue
        timed = each["verification"] or {}
        taken = timed.get("latency_ms")
        beside = f", {taken:.1f} ms a call (onnxruntime {timed['onnxruntime_ms']:.1f})" if taken is not None else ""
        places.append(each["output"] + beside)
    lost = [("Not written", each["output"]) for each in report.destinations if each["error"] is not None]
    nothing = [] if lost else ["nothing: give -o OUT.keras"]
    return [*(("Written", place) for place in places or nothing), *lost]
