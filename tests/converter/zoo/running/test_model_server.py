"""The warm server imports what it can: what is missing or broken is for the model that needs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.zoo import needs


def imported(folder: Path, *packages: str) -> set[str]:
    """Which of the packages a process holds after it has warmed up with them."""
    program = (
        "import sys; from converter.zoo.running.model_server import warm_up; "
        f"sys.path.insert(0, {str(folder)!r}); names = {packages!r}; warm_up(names); "
        "print(*(name for name in names if name in sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(ran.stdout.split())


def test_what_is_missing_or_broken_is_left_out(tmp_path: Path) -> None:
    """timm imports torchvision, whose compiled operators may not load beside this torch."""
    needs("timm")
    (tmp_path / "broken.py").write_text("raise RuntimeError('operator nms does not exist')")
    (tmp_path / "whole.py").write_text("")
    assert imported(tmp_path, "broken", "absent", "timm", "whole") == {"timm", "whole"}
