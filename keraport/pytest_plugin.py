"""Conversions as tests: `pip install keraport` brings this plugin into pytest.

    def test_mine(assert_converts):
        assert_converts("model.onnx")

    @pytest.mark.keraport(inputs=["image=float32[batch,3,224,224]"], golden=True)
    def test_with_a_golden(assert_converts):
        assert_converts("models.digits:build", checkpoint="digits.safetensors")

A golden is recorded the first time, and checked from then on; `--keraport-update-goldens` records it anew. What fails
is told as the guilty layer. Nothing of keraport is imported before a test asks for it; a worker of xdist keeps one
process with Keras warm for all of its tests.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from converter.golden.golden import Checked

Assert = Callable[..., Any]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("keraport")
    group.addoption("--keraport-goldens", metavar="DIR", help="Where goldens are kept (default: goldens in the root).")
    group.addoption("--keraport-update-goldens", action="store_true", help="Record goldens anew.")
    parser.addini("keraport_goldens", "Where goldens are kept, from the root.", default="goldens")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "keraport(**options): what assert_converts gives to keraport.convert.")


@pytest.fixture
def assert_converts(request: pytest.FixtureRequest) -> Assert:
    """`assert_converts(source, *, tolerance=None, golden=False, **options)` converts and verifies, or fails the test.

    Options are those of `keraport.convert`; a marker gives defaults. `tolerance` is (rtol, atol). Returns the
    conversion, or with `golden` what was checked.
    """
    defaults: dict[str, Any] = {}
    for mark in request.node.iter_markers("keraport"):
        defaults = {**mark.kwargs, **defaults}

    def check(source: Any, **options: Any) -> Any:
        __tracebackhide__ = True
        told = {**defaults, **options}
        golden = told.pop("golden", False)
        if isinstance(source, Path):
            source = str(source)
        if golden:
            return _check_golden(request, source, golden if isinstance(golden, str) else None, told)
        return _convert(source, told)

    return check


def _convert(source: Any, options: dict[str, Any]) -> Any:
    __tracebackhide__ = True
    import keraport

    tolerance = _tolerance(options)
    try:
        return keraport.convert(source, tolerance=tolerance, **options)
    except keraport.ConversionError as error:
        told = _told(source, error)
    return pytest.fail(told, pytrace=False)


def _tolerance(options: dict[str, Any]) -> Any:
    """Taken out of the options."""
    from converter.proof.compare import Tolerance

    given = options.pop("tolerance", None)
    return None if given is None else Tolerance(*given)


def _told(source: Any, error: Any) -> str:
    """A ConversionError, in lines."""
    lines = [f"{source} does not convert ({error.kind}): {error.message}"]
    lines += [f"  at: {error.node}"] * bool(error.node) + [f"  {error.hint}"] * bool(error.hint)
    return "\n".join(lines)


def _check_golden(request: pytest.FixtureRequest, source: Any, name: str | None, options: dict[str, Any]) -> Checked:
    __tracebackhide__ = True
    import keraport
    from converter.golden.golden import check, name_of, record
    from converter.golden.store import GoldenStore
    from converter.options import Options

    if not isinstance(source, str):
        pytest.fail(
            f"A golden is checked by itself later, so its source is told as text, a file or package.module:factory. "
            f"Received: {type(source).__name__}.",
            pytrace=False,
        )
    config = request.config
    place = config.getoption("--keraport-goldens") or config.rootpath / config.getini("keraport_goldens")
    store, name = GoldenStore(Path(place)), name or name_of(source)
    trust, tolerance = options.get("trust", False), _tolerance(options)
    try:
        if config.getoption("--keraport-update-goldens") or not store.has(name):
            entry = record(store, name, source, Options(**options))
            if entry["status"] != "verified":
                pytest.fail(f"{source} does not convert ({entry['status']}): {entry['message']}", pytrace=False)
        found = check(store, name, trust=trust, tolerance=tolerance)
    except keraport.ConversionError as error:
        pytest.fail(_told(source, error), pytrace=False)
    if found.outcome == "ok" and found.message:  # it was kept as one that does not convert
        pytest.fail(f"{source} does not convert: {found.message}.", pytrace=False)
    if found.outcome != "ok":
        lines = [f"{found.outcome}: the golden {name!r} in {store.folder}. {found.message}".strip()]
        lines += [f"  {finding.level}: {finding.leg}: {finding.message}" for finding in found.findings]
        pytest.fail("\n".join([*lines, "  pytest --keraport-update-goldens records it anew."]), pytrace=False)
    return found
