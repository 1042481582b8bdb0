"""docs/files.md, which says what is recognised in song files: `make docs-files`.

Belongs here: what layouts.yml and the rules for values put into the page. Not here: its words (page.md), and the rules.
"""

import sys
from collections.abc import Iterable
from importlib import resources

from extract.song_files.kinds import KNOWN
from extract.song_files.layouts import SEVERAL, contents, layouts
from extract.song_files.units import LONGEST_SONG, SHORTEST_SONG
from warehouse.features import ENOUGH, SOUND, feature_ranges


def page() -> str:
    """The page as Markdown."""
    known = contents()
    return (
        resources.files("extract.song_files")
        .joinpath("page.md")
        .read_text(encoding="utf-8")
        .format(
            known=KNOWN,
            enough=ENOUGH,
            sound=", ".join(SOUND),
            prefixes=_code(known["prefixes"]),
            suffixes=" and ".join(f"`_{suffix}`" for suffix in known["suffixes"]),
            columns="\n".join(_field(name) for name in known["fields"]),
            private=_code(known["private"]),
            missing_names=" and ".join(f"`{mark}`" for mark in known["missing_names"]),
            shortest=SHORTEST_SONG,
            longest=f"{LONGEST_SONG:,}",
            separator=_code(dict.fromkeys(known["separators"].values())),
            layouts="\n".join(_layouts()),
        )
    )


def _field(name: str) -> str:
    """The row of a field: its names, what they may end with, and the range of its values."""
    entry = contents()["fields"][name]
    units = [f"{_code(words)} ({unit})" for unit, words in entry.get("units", {}).items()]
    ends = f"; may end with {', '.join(units)}" if units else ""
    low, high = feature_ranges().get(name, (None, None))
    bounds = "" if low is None else f"{low:.10g} to {high:.10g}"
    return f"| `{name}` | {_code(dict.fromkeys([name, *entry['names']]))}{ends} | {bounds} |"


def _layouts() -> Iterable[str]:
    for layout in layouts():
        separators = (layout.separator(name) for name in SEVERAL)
        several = " and ".join(f"`{mark}`" if mark else "none" for mark in separators)
        yield f"| {layout.name} | {layout.about} | {_code(layout.columns)} | {several} |"


def _code(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


if __name__ == "__main__":
    sys.stdout.write(page())
