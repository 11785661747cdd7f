"""On which line of a TOML file each table, key and array item stands: tomllib keeps no positions.

Only for text that tomllib has read: nothing is checked here, and values are skipped, not read.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left

Place = tuple[str | int, ...]
"""Where something is in what tomllib returns: `("model", 2, "inputs", 0)`."""

_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}'  # the last two of five quotes are text
    r"|'''.*?'{3,5}"
    r'|"(?:[^"\\]|\\.)*"'
    r"|'[^']*'",
    re.DOTALL,
)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SPACE = re.compile(r"[ \t]*")
_SPACE_LINES_COMMENTS = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SCALAR = re.compile(r"[^,\]}#\n]*")


def locate(text: str) -> dict[Place, int]:
    """The line, from 1, of everything in `text` that has a place."""
    return _Scanner(text).scan()


class _Scanner:
    """A cursor that goes once through the text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Place, int] = {}
        self._breaks = [index for index, char in enumerate(text) if char == "\n"]
        self._tables: dict[Place, int] = {}  # how many tables each `[[array]]` has so far

    def scan(self) -> dict[Place, int]:
        table: Place = ()
        self._skip(_SPACE_LINES_COMMENTS)
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._assignment(table)
            self._skip(_SPACE_LINES_COMMENTS)
        return self.lines

    def _header(self) -> Place:
        """`[a.b]` or `[[a.b]]`: the place of the table that it opens."""
        line = self._line()
        is_array = self.text.startswith("[[", self.at)
        self.at += 2 if is_array else 1
        parts = self._key()
        self.at += 2 if is_array else 1
        place: Place = ()
        for index, part in enumerate(parts):
            place = (*place, part)
            self.lines.setdefault(place, line)
            if is_array and index == len(parts) - 1:
                self._tables[place] = self._tables.get(place, 0) + 1
            if place in self._tables:
                place = (*place, self._tables[place] - 1)
        self.lines[place] = line
        return place

    def _assignment(self, table: Place) -> None:
        """`a.b = value`, in a table of either kind."""
        line = self._line()
        place = table
        for part in self._key():
            place = (*place, part)
            self.lines.setdefault(place, line)
        self.at += 1  # the equals sign
        self._skip(_SPACE)
        self._value(place)

    def _value(self, place: Place) -> None:
        opening = self.text[self.at]
        if opening in "[{":
            self.at += 1
            count = 0
            while not self._closes("]" if opening == "[" else "}"):
                if opening == "{":
                    self._assignment(place)
                else:
                    self.lines[(*place, count)] = self._line()
                    self._value((*place, count))
                    count += 1
        else:
            self._skip(_STRING if opening in "\"'" else _SCALAR)

    def _closes(self, bracket: str) -> bool:
        """Go to the next item of an array or an inline table, or behind its end."""
        self._skip(_SPACE_LINES_COMMENTS)
        if self.text[self.at] == ",":
            self.at += 1
            self._skip(_SPACE_LINES_COMMENTS)
        if self.text[self.at] != bracket:
            return False
        self.at += 1
        return True

    def _key(self) -> list[str]:
        """The parts of a dotted key, and the cursor at what follows it."""
        parts = []
        while True:
            self._skip(_SPACE)
            if self.text[self.at] in "\"'":
                parts.append(str(tomllib.loads(f"key = {self._skip(_STRING)}")["key"]))
            else:
                parts.append(self._skip(_BARE_KEY))
            self._skip(_SPACE)
            if self.text[self.at] != ".":
                return parts
            self.at += 1

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            return ""
        self.at = match.end()
        return match[0]

    def _line(self) -> int:
        return bisect_left(self._breaks, self.at) + 1
