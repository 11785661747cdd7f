"""The tables of docs/zoos.md, of the records in docs/zoos/: a row for each library, and what is not verified."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from converter.zoo.records.result import EXPORT_FAILED, UNSUPPORTED, VERIFIED
from converter.zoo.results import lines
from scripts.markdown import markdown

Record = Mapping[str, Any]


def zoos_table(folder: Path) -> str:
    zoos = {path.stem: list(lines.read(path)) for path in sorted(folder.glob("*.jsonl"))}
    header = ("Manifest", "Tried", "Verified", "Refused", "Not exported by torch", "Other",
              "Without transposes", "Plain Keras", "Trains what torch trains", "Date")  # fmt: skip
    tables = [markdown(header, [_row(name, records) for name, records in zoos.items()])]
    for name, records in zoos.items():
        others = [(r["name"], r["status"], _cell(r.get("reason", ""))) for r in records if r["status"] != VERIFIED]
        moved = [f"{r['name']} {r['transposes']}" for r in records if r["transposes"]]
        custom = [f"{r['name']} ({', '.join(r['custom_layers'])})" for r in records if r["custom_layers"]]
        unused = [f"{r['name']} ({r['unused_in_source']:,})" for r in records if r.get("unused_in_source")]
        trained = [f"{r['name']} ({r['trained'] - _used(r):+,})" for r in records if not _trains_the_same(r)]
        if others or moved or custom or unused or trained:
            tables.append(f"### {name}\n")
        if others:
            tables.append(markdown(("Model", "Status", "Reason"), others))
        lists = (("Transposes", moved), ("Layers of keraport", custom),
                 ("Parameters that evaluation does not use", unused), ("Trained, to torch", trained))  # fmt: skip
        for title, told in lists:
            if told:
                tables.append(f"{title}: {', '.join(told)}.\n")
    made = sorted({r["versions"] for records in zoos.values() for r in records})
    return "\n".join([*tables, *(f"Made with {versions}.\n" for versions in made)])


def _row(name: str, records: Sequence[Record]) -> tuple[str, ...]:
    statuses = Counter(record["status"] for record in records)
    verified = [record for record in records if record["status"] == VERIFIED]
    named = statuses[VERIFIED] + statuses[UNSUPPORTED] + statuses[EXPORT_FAILED]
    dates = sorted({record["date"] for record in records})
    counts = (
        len(records), statuses[VERIFIED], statuses[UNSUPPORTED], statuses[EXPORT_FAILED], len(records) - named,
        sum(record["transposes"] == 0 for record in verified),
        sum(not record["custom_layers"] for record in verified),
        sum(map(_trains_the_same, verified)),
    )  # fmt: skip
    return (f"models/{name}.toml", *map(str, counts), " to ".join(sorted({dates[0], dates[-1]})))


def _trains_the_same(record: Record) -> bool:
    """Whether training changes as many numbers as it does in the source; so it does where that has no such count."""
    return record["trained"] is None or record["trained_in_source"] is None or record["trained"] == _used(record)


def _used(record: Record) -> int:
    """How many numbers training changes in the source; it leaves alone what evaluation does not use."""
    return int(record["trained_in_source"]) - (record.get("unused_in_source") or 0)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
