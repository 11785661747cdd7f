"""Tables in Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence


def markdown(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table; columns of which every cell starts with a digit or is empty are set to the right."""
    columns = range(len(header))
    numeric = [all(re.match(r"\d|$", str(row[i])) for row in rows) and bool(rows) for i in columns]
    lines = [
        "| " + " | ".join(header) + " |",
        "|" + "|".join("---:" if numeric[i] else "---" for i in columns) + "|",
        *("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows),
    ]
    return "\n".join(lines) + "\n"
