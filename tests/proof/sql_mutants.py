"""Mutants of the dbt project's SQL: each is the text of one file with one small thing wrong in it.

Belongs here: what may go wrong, as rules over text. Not here: building them and testing the outcome (dbt_mutants.py).
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

_HIDDEN = re.compile(r"\{#.*?#\}|\{%.*?%\}|--[^\n]*|'(?:[^'\n]|'')*'", re.DOTALL)
"""Comments, Jinja's statements and text literals: nothing in them is changed."""

_END = r"(?=\s*(?:\n|\)|\band\b|\bor\b|\bthen\b|\bgroup by\b|$))"


@dataclass(frozen=True)
class Mutant:
    """A file of the dbt project, and what stands at `start` in it in place of `old`.

    `name` tells it from all others, and stays the same when other lines of the file change.
    """

    name: str
    path: Path
    kind: str
    start: int
    old: str
    new: str

    def apply(self, text: str) -> str:
        """The file's text with the change."""
        assert text[self.start :].startswith(self.old)
        return text[: self.start] + self.new + text[self.start + len(self.old) :]


Rule = tuple[str, str, Callable[[re.Match[str]], str | None]]


def _becomes(words: dict[str, str]) -> Callable[[re.Match[str]], str | None]:
    return lambda found: words.get(found[0])


def _greater(found: re.Match[str]) -> str:
    return found[0] + "1" if "." in found[0] else str(int(found[0]) + 1)


RULES: list[Rule] = [
    ("boundary moved", r"(?<= )(?:<=|>=|<|>)(?= )", _becomes({"<=": "<", ">=": ">", "<": "<=", ">": ">="})),
    (
        "comparison turned",
        r"(?<= )(?:<=|>=|<>|<|>|=)(?= )",
        _becomes({"<=": ">=", ">=": "<=", "<": ">", ">": "<", "=": "<>", "<>": "="}),
    ),
    ("null equals null", r"(?<= )=(?= (?![\d\0]))", lambda _: "is not distinct from"),
    ("null equals nothing", r"\bis (?:not )?distinct from\b", lambda found: "=" if "not" in found[0] else "<>"),
    ("null rule turned", r"\bis not null\b", lambda _: "is null"),
    ("null rule turned", r"\bis null\b", lambda _: "is not null"),
    ("range turned", r"\bnot between\b", lambda _: "between"),
    ("range turned", r"(?<!not )\bbetween\b", lambda _: "not between"),
    # Not what is only there to be counted, or to be there at all.
    ("number moved", r"(?<![\w.'-])(?<!then )(?<!select )\d+(?:\.\d+)?(?![\w.'])", _greater),
    ("predicate dropped", r"(?<=\n) *(?:and|or) [^\n]*(?=\n)", lambda _: ""),
    ("predicate dropped", rf"\band [^\n()]+?{_END}", lambda _: ""),
    ("predicate dropped", r"\bwhere (?=\S)[^\n]*", lambda _: "where true"),
    ("predicate dropped", r"\bhaving [^\n]*", lambda _: ""),
    ("and for or", r"\b(?:and|or)\b", _becomes({"and": "or", "or": "and"})),
    ("not dropped", r"\bnot (?=exists|is_|isnan|has_|\w+\()", lambda _: ""),
    ("order reversed", r"\b(?:asc|desc)\b", _becomes({"asc": "desc", "desc": "asc"})),
    ("order reversed", r"(?<=order by )[\w.]+(?=\))", lambda found: f"{found[0]} desc"),
    ("order of nulls", r"\bnulls last\b", lambda _: "nulls first"),
    ("join's kind", r"\b(?:inner|left) join\b", _becomes({"inner join": "left join", "left join": "inner join"})),
    ("partition dropped", r"\bpartition by [\w., ]+?(?=\n|\)| order by)", lambda _: ""),
    ("partition's key dropped", r"(?<=partition by )[\w.]+, ", lambda _: ""),
    ("partition's key dropped", r"(?<=partition by [\w.]{1}), [\w.]+", lambda _: ""),
    ("distinct dropped", r"(?<=\()distinct ", lambda _: ""),
    ("all dropped", r"\bunion all\b", lambda _: "union"),
    (
        "other aggregate",
        r"\b(?:min|max|least|greatest|sum|avg|median|stddev_samp)(?=\()",
        _becomes({
            "min": "max", "max": "min", "least": "greatest", "greatest": "least", "sum": "max", "avg": "median",
            "median": "avg", "stddev_samp": "stddev_pop",
        }),
    ),
    ("sign turned", r"(?<=\w |\) )[+-](?= [\w(])", _becomes({"+": "-", "-": "+"})),
    ("truth turned", r"\b(?:true|false)\b", _becomes({"true": "false", "false": "true"})),
]  # fmt: skip


def mutants(path: Path, text: str) -> Iterator[Mutant]:
    """All mutants of one file, no two with the same text."""
    seen, names = {text}, Counter[str]()
    for kind, start, old, new in _changes(text):
        changed = " ".join((text[:start] + new + text[start + len(old) :]).split())
        if changed in seen:
            continue
        seen.add(changed)
        name = f"{path.stem}: {_shown(text, start, old, new)}"
        names[name] += 1
        if names[name] > 1:
            name += f" ({names[name]})"
        yield Mutant(name, path, kind, start, old, new)


def _shown(text: str, start: int, old: str, new: str) -> str:
    """The line up to the change, and the change."""
    line = text[text.rfind("\n", 0, start) + 1 : start]
    return " ".join(f"{line}[{old} -> {new}]".split())


def _changes(text: str) -> Iterator[tuple[str, int, str, str]]:
    shown = _HIDDEN.sub(lambda hidden: re.sub(r"[^\n]", "\0", hidden[0]), text)
    for kind, pattern, change in RULES:
        for found in re.finditer(pattern, shown):
            old = text[found.start() : found.end()]
            new = change(found)
            is_bound = kind in ("predicate dropped", "and for or") and _is_of_between(shown, found)
            if new is not None and new != old and not is_bound and not (kind == "predicate dropped" and "{%" in old):
                yield kind, found.start(), old, new
    for function in ("coalesce", "nullif"):
        for found in re.finditer(rf"\b{function}\(", shown):
            first, end = _first_argument(shown, found.end())
            yield "null rule dropped", found.start(), text[found.start() : end], text[found.end() : first].strip()


def _is_of_between(shown: str, found: re.Match[str]) -> bool:
    """Whether an `and` belongs to a `between`."""
    return re.search(r"\bbetween [^\n]*?$", shown[: found.start()]) is not None and found[0].lstrip().startswith("and")


def _first_argument(text: str, start: int) -> tuple[int, int]:
    """Where the first argument of a call ends, and where the call does."""
    depth, first, place = 0, 0, start
    while True:
        sign = text[place]
        if sign in "([{":
            depth += 1
        elif sign in ")]}":
            if depth == 0:
                return first or place, place + 1
            depth -= 1
        elif sign == "," and depth == 0 and not first:
            first = place
        place += 1
