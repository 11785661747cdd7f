"""The page of a run: what it says, that nothing in it is taken for markup, and how it behaves in a browser."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from converter.zoo.records.result import CRASHED, MISMATCH, Result
from converter.zoo.results.dashboard import _percent, write_dashboard
from converter.zoo.results.dashboard_rows import Links
from converter.zoo.results.store import ResultStore
from tests.zoo_results import entry, failed, verified

HOSTILE = [
    "</script><script>document.body.dataset.hacked = 1</script>",
    "<img src=x onerror='document.body.dataset.hacked = 1'>",
    "<!--<script>\"'&amp; {{ 1 }} \udce4 \u2028",
]


class Page(HTMLParser):
    """Tags, text and scripts of a page, as a browser splits it up."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.texts: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] == "script" and not self.scripts[-1]:
            self.scripts[-1] = data
        elif self.tags and self.tags[-1][0] != "style":
            self.texts.append(data.strip())

    @property
    def data(self) -> dict[str, Any]:
        values = json.loads(self.scripts[0])
        assert isinstance(values, dict)
        return values

    @property
    def text(self) -> str:
        return " ".join(" ".join(text for text in self.texts if text).split())

    def links(self) -> list[str]:
        return [values["href"] or "" for tag, values in self.tags if tag == "a"]


def make_run(folder: Path, *results: Result, planned: int = 0) -> Path:
    names = [result.name for result in results] + [f"later{i}" for i in range(planned)]
    tags = {result.name: result.tags for result in results}
    expected = {result.name: result.expected for result in results}
    entries = [entry(n, tags=tags.get(n, ()), expected=expected.get(n, "verified")) for n in names]
    with ResultStore(folder) as store:
        store.plan(entries, dict.fromkeys(names, "k"))
        for result in results:
            store.add(result)
    return folder


def test_it_tells_what_became_of_the_models(tmp_path: Path) -> None:
    both = "The operator Foo is not supported.\nThe operator Bar is not supported."
    run = make_run(
        tmp_path / "run",
        verified("a", files={"report": "a/report.json", "page": "a/report.html"}, tags=("cnn",)),
        failed("b"),
        failed("c"),
        failed("d", both, expected="unsupported"),
        failed("e", "Its process died of SIGSEGV in stage passes.", status=CRASHED),
        planned=1,
    )
    path = write_dashboard(run)
    assert path == run / "report.html"
    page = Page(path)
    assert "1 of 5 models converted and verified, 20%" in page.text
    assert "1 planned model has no result yet" in page.text
    for status, count in (("verified", 1), ("unsupported", 3), ("crashed", 1)):
        assert f"{status} {count} {20 * count}%" in page.text
    assert "mismatch" not in page.text
    assert "As expected 2 of 5" in page.text
    assert "2 3 unsupported: The operator Foo is not supported. b, c, d Show" in page.text
    assert "0 1 unsupported: The operator Bar is not supported. d Show" in page.text
    assert "1 1 crashed: Its process died of SIGSEGV in stage passes. e Show" in page.text
    assert "Against" not in page.text
    rows = {row["name"]: row for row in page.data["rows"]}
    assert rows["a"]["files"] == [["HTML", "./a/report.html"], ["JSON", "./a/report.json"]]
    assert rows["a"]["link"] == "./a/report.html"
    assert (rows["a"]["seconds"], rows["a"]["memory"], rows["a"]["transposes"]) == (2.0, 256.0, 0)
    assert rows["a"]["trained"] == -10
    assert rows["b"]["trained"] is None
    assert "Trained as in the source 0 of 1" in page.text
    assert [rows["a"]["error"], rows["a"]["used"]] == pytest.approx([2e-6, 2.0])
    assert [page.data["reasons"][place] for place in rows["d"]["reasons"]] == [
        "unsupported: The operator Foo is not supported.",
        "unsupported: The operator Bar is not supported.",
    ]
    assert rows["e"]["message"].splitlines()[-1] == "the end"


@pytest.mark.parametrize("earlier", ["old", "old/results.jsonl"])
def test_an_earlier_run_is_compared_with(tmp_path: Path, earlier: str) -> None:
    make_run(tmp_path / "old", failed("a"), verified("b"), verified("c", seconds=1.0), verified("gone"))
    run = make_run(
        tmp_path / "new",
        verified("a", files={"report": "a.json"}),
        failed("b", status=MISMATCH),
        verified("c", seconds=60.0),
    )
    page = Page(write_dashboard(run, tmp_path / earlier))
    assert f"Against {earlier}" in page.text
    assert "1 fixed verified now, and not before Model Before Now a unsupported verified" in page.text
    assert "1 broken verified before, and not now Model Before Now b verified mismatch" in page.text
    assert "c 1.0 s 60.0 s" in page.text
    assert "gone verified –" in page.text
    assert "0 changed" in page.text
    assert page.links() == ["./a.json"]


def test_nothing_of_a_stranger_becomes_markup(tmp_path: Path) -> None:
    results = [failed(name, f"{name} is bad", tags=(name,), source=name) for name in HOSTILE[:2]]
    results += [
        failed("plain", HOSTILE[2], files={HOSTILE[0]: HOSTILE[1]}),
        verified("good", files={"report": "javascript:alert(1)", "page": "//evil.example/x"}),
    ]
    make_run(tmp_path / "old", verified(HOSTILE[0]))
    page = Page(write_dashboard(make_run(tmp_path / "<b>run", *results), tmp_path / "old"))
    assert [tag for tag, _ in page.tags if tag in ("script", "img", "b")] == ["script", "script"]
    assert [row["name"] for row in page.data["rows"]][:2] == HOSTILE[:2]
    assert page.data["rows"][2]["message"].startswith(HOSTILE[2])
    good = page.data["rows"][3]
    assert good["files"] == [["HTML", ".///evil.example/x"], ["JSON", "./javascript%3Aalert%281%29"]]
    assert HOSTILE[0] in page.text  # in the comparison, as text


def test_the_page_runs_its_own_script_and_loads_nothing(tmp_path: Path) -> None:
    page = Page(write_dashboard(make_run(tmp_path / "run", verified("a"))))
    (policy,) = [values["content"] for _, values in page.tags if values.get("http-equiv") == "Content-Security-Policy"]
    digest = base64.b64encode(hashlib.sha256(page.scripts[1].encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    assert not [values for _, values in page.tags if values.get("src") or values.get("href")]
    assert "http" not in page.scripts[1]


def test_links_start_at_the_page(tmp_path: Path) -> None:
    model = "models/a b#1?/report.html"
    run = make_run(tmp_path / "run x", verified("a", files={"page": model, "model": "s3://bucket/a"}))
    (run / model).parent.mkdir(parents=True)
    (run / model).touch()
    (tmp_path / "pages").mkdir()
    path = write_dashboard(run, target=tmp_path / "pages" / "zoo.html")
    (row,) = Page(path).data["rows"]
    assert (path.parent / unquote(row["link"])).resolve() == (run / model).resolve()
    assert row["files"] == [["HTML", row["link"]], ["model", None]]
    assert Links(run, run).to("https://host/a") == "https://host/a"


def test_a_run_without_results_has_a_page(tmp_path: Path) -> None:
    page = Page(write_dashboard(make_run(tmp_path / "run", planned=2)))
    assert "No results yet" in page.text
    assert "2 planned models have no result yet" in page.text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(0, 9, "0%"), (9, 9, "100%"), (1, 9999, "< 0.1%"), (9998, 9999, "> 99.9%"), (1, 3, "33.3%")],
)
def test_shares_are_never_rounded_to_all_or_nothing(part: int, whole: int, text: str) -> None:
    assert _percent(part, whole) == text


PROBE = """
const q = (selector) => document.querySelector(selector);
const names = () => [...document.querySelectorAll("#table tbody tr .name")].map((one) => one.textContent);
const told = () => q("#shown").textContent;
const put = (id, value) => { q(id).value = value; q(id).dispatchEvent(new Event("input", { bubbles: true })); };
const sorts = () => [...document.querySelectorAll("#table th")].map((one) => one.ariaSort);
const seen = {};
Element.prototype.scrollIntoView = () => {};
seen.opened = [names().length, told(), q("#region").hidden, q("#filters").hidden];
q("[data-key=seconds]").click();
seen.slowest = [names()[0], sorts()[4]];
q("[data-key=seconds]").click();
seen.fastest = [names()[0], sorts()[4]];
q("[data-key=used]").click();
seen.worst = [names()[0], sorts()[4], sorts()[7]];
q("[data-key=name]").click();
seen.named = names().slice(0, 3);
put("#search", "M11");
seen.search = [told(), names().length];
put("#search", "");
put("#tag", "t1");
seen.tag = told();
q("[data-status=crashed]").click();
seen.status = [told(), q("[data-status=crashed]").ariaPressed, names().length];
q("[data-status=crashed]").click();
seen.again = told();
q("[data-reason='0']").click();
seen.reason = told();
put("#reason", "");
put("[data-least=seconds]", "1999");
seen.least = [told(), names()];
put("[data-least=seconds]", "");
q("#everything").click();
seen.everything = [names().length, q("#everything").hidden, q("#table tbody tr:last-child").ariaRowIndex];
seen.hostile = [names().filter((name) => name.includes("<")), document.querySelectorAll("img, script").length,
  document.body.dataset.hacked ?? null];
document.body.dataset.seen = JSON.stringify(seen);
"""


def in_browser(path: Path, probe: str, profile: Path) -> dict[str, Any]:
    """What a script sees in the page, after the page's own has run."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
    if browser is None:
        pytest.skip("no chromium on this machine")
    digest = base64.b64encode(hashlib.sha256(probe.encode()).digest()).decode()
    page = path.read_text(encoding="utf-8")
    page = page.replace("script-src '", f"script-src 'sha256-{digest}' '", 1)
    path.write_text(page.replace("</body>", f"<script>{probe}</script></body>"), encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
    flags += ["--disable-background-networking", "--disable-component-update", f"--user-data-dir={profile}"]
    shown = subprocess.run(
        [browser, *flags, "--dump-dom", path.as_uri()], capture_output=True, text=True, timeout=300, check=True
    )
    found = re.search(r'data-seen="([^"]*)"', shown.stdout)
    assert found, shown.stderr[-2000:]
    values = json.loads(html.unescape(found[1]))
    assert isinstance(values, dict)
    return values


def test_two_thousand_rows_in_a_browser(tmp_path: Path) -> None:
    names = [f"m{i}" for i in range(2000)]
    names[5:7] = HOSTILE[:2]
    results = [
        failed(name, status=CRASHED, seconds=float(i), tags=("odd",))
        if i % 100 == 5
        else failed(name, seconds=float(i))
        if i % 100 == 6
        else verified(name, seconds=float(i), max_abs=(i * 7 % 2000) * 1e-8, tags=("cnn", "odd") if i % 4 == 1 else ())
        for i, name in enumerate(names)
    ]
    path = write_dashboard(make_run(tmp_path / "run", *results), target=tmp_path / "page.html")
    assert in_browser(path, PROBE, tmp_path / "profile") == {
        "opened": [40, "2,000 of 2,000 models", False, False],
        "slowest": ["m1999", "descending"],
        "fastest": ["m0", "ascending"],
        "worst": ["m857", "none", "descending"],  # 857 · 7 = 5999
        "named": [HOSTILE[0], HOSTILE[1], "m0"],
        "search": ["111 of 2,000 models", 40],  # m11, m110 to m119, m1100 to m1199
        "tag": "500 of 2,000 models",
        "status": ["20 of 2,000 models", "true", 20],
        "again": "2,000 of 2,000 models",
        "reason": "20 of 2,000 models",
        "least": ["1 of 2,000 models", ["m1999"]],
        "everything": [2000, True, "2001"],
        "hostile": [[HOSTILE[0], HOSTILE[1]], 3, None],
    }
