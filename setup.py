"""A wheel installs one package, `keraport`; the repository's `converter` and `passes` lie inside of it.

In the repository they stand at the top, and import each other by these names. Installed, such names would be in the way
of their users' own packages: while a wheel is built, `from passes.dims import …` becomes `from keraport.passes.dims
import …`. An editable install is the repository itself, as it is.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

INSIDE = ("converter", "passes")
FACE = ("keraport", "keraport.layers")
_FROM = re.compile(rf"^(\s*from )(?=({'|'.join(INSIDE)})\b)", re.MULTILINE)
_IMPORT = re.compile(rf"^(\s*)import ({'|'.join(INSIDE)})$", re.MULTILINE)


class BuildInside(build_py):
    """Copies the packages into `keraport`, and their imports of each other with them."""

    def build_module(self, module: Any, module_file: Any, package: Any) -> Any:
        result = super().build_module(module, module_file, package)
        place = Path(result[0])
        text = place.read_text(encoding="utf-8")
        place.write_text(_IMPORT.sub(r"\1from keraport import \2", _FROM.sub(r"\1keraport.", text)), encoding="utf-8")
        return result


ours = find_packages(include=[pattern for name in INSIDE for pattern in (name, f"{name}.*")])
if "editable_wheel" in sys.argv:
    setup(packages=[*FACE, *ours])
else:
    setup(
        packages=[*FACE, *(f"keraport.{name}" for name in ours)],
        package_dir={f"keraport.{name}": name for name in INSIDE},
        package_data={
            "keraport.converter.report": ["templates/*.html"],
            "keraport.converter.sources.fingerprints": ["*.json.gz"],
        },
        cmdclass={"build_py": BuildInside},
    )
