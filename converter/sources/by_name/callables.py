"""`package.module:name`: a callable of the user's own."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from converter.model_args import check_model_args
from passes.errors import BadSource, UsageError

_PATH = re.compile(r"(?P<module>[A-Za-z_]\w*(\.[A-Za-z_]\w*)*):(?P<name>[A-Za-z_]\w*(\.[A-Za-z_]\w*)*)")


def find_callable(
    text: str, arguments: Mapping[str, Any], importing: Callable[[Callable[[], Any]], Any] = lambda action: action()
) -> Callable[..., Any]:
    """Import it, with the current directory on the path.

    Args:
        arguments: what it is to be called with.
        importing: does the import.

    Raises:
        UsageError: no such module, no such callable in it, or it does not take the arguments.
        BadSource: the module fails while it is imported.
    """
    match = _PATH.fullmatch(text)
    if match is None:
        raise UsageError(f"{text!r} is not of the form package.module:factory.")
    module, name = match["module"], match["name"]
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found: Any = importing(lambda: importlib.import_module(module))
    except ModuleNotFoundError as error:
        missing = error.name or module
        if module == missing or module.startswith(f"{missing}."):
            raise UsageError(
                f"There is no module {missing!r}.",
                hint=f"It is looked for in {Path.cwd()} and among the installed packages.",
            ) from error
        raise BadSource(f"The module {module} needs {missing!r}, which is not installed.") from error
    except Exception as error:  # whatever the user's module raises while it is imported
        raise BadSource(f"The module {module} cannot be imported: {type(error).__name__}: {error}") from error
    for part in name.split("."):
        if not hasattr(found, part):
            raise UsageError(f"The module {module} has no {name!r}.", hint=_callables(found))
        found = getattr(found, part)
    if not callable(found):
        raise UsageError(f"{text} is not callable: it is a {type(found).__name__}.")
    check_model_args(found, arguments, text)
    call: Callable[..., Any] = found
    return call


def _callables(found: Any) -> str | None:
    own = getattr(found, "__name__", None)
    names = [k for k, v in vars(found).items() if callable(v) and getattr(v, "__module__", None) == own] if own else []
    return f"It defines {', '.join(names[:10])}." if names else None
