"""What the README and CONTRIBUTING show works as shown."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from converter.errors import LimitExceeded, NotEquivalent, Unsupported, UsageError
from scripts.children import ROOT
from tests.conftest import Keraport

README = (ROOT / "README.md").read_text()
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/zoo.md",
    "docs/wrong.md",
    "docs/ship.md",
    "docs/weights.md",
    "docs/finetune.md",
)


def test_python_examples_run_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)  # noqa: S102 - the README is ours
    assert names["result"].verified
    assert names["result"].report.transposes == 0
    assert names["model"].output_shape == (None, 16, 16, 16)
    assert names["tuned"].output_shape == (None, 10) and names["stem"].name == "0"


def test_the_options_exist(keraport: Keraport) -> None:
    text = README + (ROOT / "docs" / "zoo.md").read_text().partition("## Many machines")[0]  # Dask's own from there on
    text += (ROOT / "docs" / "wrong.md").read_text().partition("In a test")[0]
    text += "".join((ROOT / "docs" / f"{name}.md").read_text() for name in ("ship", "weights", "finetune"))
    shown = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) - {"--json"}  # the bench's
    commands = (
        "diff",
        "golden record",
        "golden check",
        "convert",
        "verify",
        "inspect",
        "passes",
        "weights load",
        "weights export",
        "weights port",
        "backend install",
        "zoo run",
        "zoo report",
        "zoo check",
        "zoo export",
    )
    helps = "".join(keraport(*command.split(), "--help").out for command in commands)
    assert {option for option in shown if option not in helps} == set()


@pytest.mark.parametrize("name", ["weights", "finetune"])
def test_a_page_from_top_to_bottom(
    name: str, keraport: Keraport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its commands and its Python, in order; Python that begins with a file's name is that file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "models").symlink_to(ROOT / "models")
    page = (ROOT / "docs" / f"{name}.md").read_text()
    names: dict[str, Any] = {}
    for command, code in re.findall(r"^    keraport ([^\n]*)$|^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        if command:
            ran = keraport(*command.split())
            assert ran.code == 0, ran.err
        elif file := re.match(r"# (\w+\.py)\n", code):
            (tmp_path / file[1]).write_text(code)
        else:
            exec(compile(code, f"{name}.md", "exec"), names)  # noqa: S102 - the pages are ours


def test_the_first_conversion(keraport: Keraport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    command = re.search(r"    keraport (convert models\.digits.*?)\n\n", README, re.DOTALL)
    assert command is not None
    words = [word.strip("'") for word in re.sub(r"\\\n", "", command[1]).split()]
    written = ("digits.keras", "digits.json", "digits.html")
    ran = keraport(*(tmp_path / word if word in written else word for word in words))
    assert ran.code == 0, ran.err
    assert re.search(r"Transposes +0", ran.out)
    assert all((tmp_path / name).is_file() for name in written)


def test_exit_codes() -> None:
    table = dict(re.findall(r"^\| (\d+) \| (.+?) \|$", README, re.MULTILINE))
    assert "usage" in table[str(UsageError.exit_code)]
    assert "not supported" in table[str(Unsupported.exit_code)]
    assert "not equivalent" in table[str(NotEquivalent.exit_code)]
    assert "limit" in table[str(LimitExceeded.exit_code)]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", (ROOT / document).read_text()):
        assert target.startswith("https://") or ((ROOT / document).parent / target).exists(), target
