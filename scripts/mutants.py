"""Change one rule at a time and see whether the tests notice: `make mutants`.

python -m scripts.mutants [NAME...] [--workers N]

The rules are those of mutants.toml. Each is changed in a copy of the project, and the tests that should fail for it are
run there until the first failure. The run ends with 1 where a mutant survives that the table does not explain.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

from rich.console import Console

from scripts.children import ROOT

TABLE = ROOT / "scripts" / "mutants.toml"
FAILED = 1
"""pytest's exit code where tests fail; others say that it could not run them."""


@dataclass(frozen=True)
class Mutant:
    """One rule: the text that is there, what is written instead, and the tests that should fail.

    Attributes:
        survives: why no test can tell the difference; empty where one should.
    """

    name: str
    file: str
    old: str
    new: str
    tests: str
    survives: str = ""

    def changed(self) -> str:
        """The file with the rule changed.

        Raises:
            ValueError: the text is not there, or more than once.
        """
        text = (ROOT / self.file).read_text()
        if text.count(self.old) != 1:
            raise ValueError(f"{self.name}: the text is in {self.file} {text.count(self.old)} times, not once.")
        return text.replace(self.old, self.new)


def mutants() -> list[Mutant]:
    """All of the table, in its order."""
    return [Mutant(**entry) for entry in tomllib.loads(TABLE.read_text())["mutant"]]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--workers", type=int, default=2, metavar="N")
    options = parser.parse_args(arguments)
    chosen = [mutant for mutant in mutants() if mutant.name in options.names or not options.names]
    screen = Console()
    folders: Queue[Path] = Queue()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.workers) as pool:
        for index in range(options.workers):
            folders.put(_copy(Path(folder) / str(index)))
        killed = list(pool.map(lambda mutant: _try(mutant, folders, screen), chosen))
    survivors = [mutant for mutant, is_killed in zip(chosen, killed, strict=True) if not is_killed]
    unexplained = [mutant.name for mutant in survivors if not mutant.survives]
    screen.print(f"{len(chosen)} mutants, {len(survivors)} survived: {', '.join(m.name for m in survivors) or 'none'}")
    return int(bool(unexplained))


def _copy(target: Path) -> Path:
    """The files that git knows, or would."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)
    return target


def _try(mutant: Mutant, folders: Queue[Path], screen: Console) -> bool:
    """Whether the tests kill it."""
    folder = folders.get()
    path = folder / mutant.file
    original, start = path.read_text(), time.monotonic()
    try:
        path.write_text(mutant.changed())
        code = _run(folder, mutant.tests.split())
    finally:
        path.write_text(original)
        folders.put(folder)
    said = {0: "[red]survived[/]", FAILED: "[green]killed[/]"}.get(code, f"[red]pytest: {code}[/]")
    screen.print(f"{said} {mutant.name} ({time.monotonic() - start:.0f} s)", highlight=False)
    return code == FAILED


def _run(folder: Path, tests: list[str]) -> int:
    environment = {**os.environ, "PYTHONPATH": str(folder), "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:randomly", *tests]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True).returncode


if __name__ == "__main__":
    raise SystemExit(main())
