"""What the project's Markdown pages contain: fenced blocks by language, words in backticks, and links."""

import re
import shlex
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tests.conftest import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

_FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")


@dataclass(frozen=True)
class Page:
    """A page: `fences` are pairs of language and text; `inline` is what stands in backticks outside of them."""

    path: Path
    fences: list[tuple[str, str]]
    inline: list[str]
    links: list[str]

    @property
    def outputs(self) -> list[tuple[str, str]]:
        """Pairs of a query and the output that the next block, which has no language, shows of it."""
        pairs = pairwise(self.fences)
        return [(query, output) for (first, query), (second, output) in pairs if (first, second) == ("sql", "")]

    def __str__(self) -> str:
        return str(self.path.relative_to(ROOT))


def read_page(path: Path) -> Page:
    """The page that the Markdown file at `path` is."""
    text = path.read_text(encoding="utf-8")
    prose = _FENCE.sub("", text)
    return Page(
        path,
        _FENCE.findall(text),
        re.findall(r"`([^`\n]+)`", prose),
        re.findall(r"\]\(([^)\s]+)\)", prose),
    )


def commands(shell: str) -> list[list[str]]:
    """The commands of a piece of shell, each as a list of words, without comments and without `NAME=value` in front."""
    lexer = shlex.shlex(shell.replace("\\\n", " ").replace("\n", " ; "), posix=True, punctuation_chars="();|&")
    lexer.whitespace_split = True
    lexer.commenters = ""
    found: list[list[str]] = [[]]
    for word in lexer:
        if set(word) <= set("();|&"):
            found.append([])
        elif found[-1] or not _ASSIGNMENT.match(word):
            found[-1].append(word)
    return [words for words in found if words]


def shell_lines(page: Page) -> list[str]:
    """The lines of the page's `sh` blocks, without their comments."""
    lines = [line for language, text in page.fences if language == "sh" for line in text.splitlines()]
    return [found for line in lines if (found := re.sub(r"(^|\s)#\s.*", "", line).strip())]
