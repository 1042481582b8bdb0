"""The text of a file as UTF-8 with line feeds, whatever it was written in.

Belongs here: which encoding a file is in, how many lines it has and how long they are, and the copy that is made where
DuckDB could not read the file itself. Not here: what stands in the lines (csv_rows.py, json_rows.py).
"""

import codecs
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from extract.song_files.errors import SongFileError
from warehouse.files import for_shell

LONGEST_LINE = 16 << 20
"""How many bytes a line may have; a table has lines, and what has none would fill the memory."""

_BLOCK = 1 << 20
_NOT_WESTERN = ("cp932", "gb18030", "big5", "cp949", "euc_jp", "cp1251", "koi8_r", "cp1253")
_ENOUGH_SIGNS = 30
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),  # before UTF-16, which begins alike
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
_NAMES = {"utf-16": "UTF-16", "utf-16-le": "UTF-16", "utf-16-be": "UTF-16", "utf-32": "UTF-32"}

# Five bytes stand for nothing in Windows-1252. They are read as Latin-1 has them, as browsers do.
codecs.register_error("as_latin1", lambda error: _as_latin1(error))


@dataclass(frozen=True)
class Text:
    """What is known of a file of text: its lines, the longest of them, and whether the last one has an end.

    `longest_line` is in bytes, and only of lines that stand in two blocks of a MiB: others are shorter than that.
    """

    lines: int
    longest_line: int
    has_last_end: bool


@dataclass(frozen=True)
class _Survey:
    text: Text
    is_utf8: bool
    has_only_carriage_returns: bool


def as_utf8(path: Path, name: str, copy: Path, notes: list[str], *, has_lines: bool = True) -> tuple[Path, Text]:
    """The file at `path` if it is UTF-8, else `copy`, which is then written; and what is known of its text.

    `notes` is given the encoding that was read. Raises `SongFileError` where the file is no text, or has `has_lines`
    and a line that is longer than `LONGEST_LINE`.
    """
    with path.open("rb") as file:
        beginning = file.read(1 << 16)
    source = path
    if encoding := wide_encoding(beginning):
        source = _transcode(path, copy, encoding, name)
        notes.append(f"read as {_NAMES[encoding]}")
    found = _survey(source, name, has_lines=has_lines)
    if found.is_utf8 and not found.has_only_carriage_returns:
        return source, found.text
    copy = copy.with_name(copy.name + "-lines")
    if found.is_utf8:
        _with_line_feeds(source, copy)
    else:
        notes.append(_mend_lines(source, name, copy, ends_with_return=found.has_only_carriage_returns))
    return copy, _survey(copy, name, has_lines=has_lines).text


def lines(path: Path) -> Iterator[str]:
    """The lines of a file in UTF-8, each with its end. No line is longer than `as_utf8` let pass."""
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        yield from file


def wide_encoding(beginning: bytes) -> str | None:
    """The encoding of two or four bytes a sign, told by its mark or by where the NULs stand; None for any other."""
    for bom, encoding in _BOMS:
        if beginning.startswith(bom):
            return encoding
    even, odd = beginning[::2].count(0), beginning[1::2].count(0)
    # Digits and separators have a NUL as one of their two bytes, and a table of songs is full of them.
    if max(even, odd) * 4 > len(beginning) and min(even, odd) * 20 < max(even, odd):
        return "utf-16-be" if even > odd else "utf-16-le"
    return None


def _survey(path: Path, name: str, *, has_lines: bool) -> _Survey:
    """Look through the file once: whether it is UTF-8, and its lines."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    ends = returns = longest = line = 0
    is_utf8, last = True, b"\n"
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            ends += block.count(b"\n")
            if not ends:  # only in a file without any line feed do carriage returns end the lines
                returns += block.count(b"\r")
            end = b"\n" if ends else b"\r"
            if (at := block.rfind(end)) >= 0:
                longest, line = max(longest, line + block.find(end) + 1), len(block) - at - 1
            else:
                line += len(block)
            if has_lines and line > LONGEST_LINE:
                raise SongFileError(
                    f"{name}, line {(ends or returns) + 1:,}: more than {LONGEST_LINE >> 20} MiB in one line, which no "
                    "table of songs has. Is it the right file?"
                )
            if is_utf8:
                try:
                    decoder.decode(block)
                except UnicodeDecodeError:
                    is_utf8 = False
            last = block[-1:]
    if is_utf8:
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            is_utf8 = False
    has_last_end = last == b"\n"
    text = Text(ends + (not has_last_end), max(longest, line), has_last_end)
    return _Survey(text, is_utf8, has_only_carriage_returns=returns > 0 and ends == 0)


def _transcode(path: Path, copy: Path, encoding: str, name: str) -> Path:
    """Write `copy` in UTF-8, and return it."""
    try:
        with path.open(encoding=encoding, newline="") as source, copy.open("w", encoding="utf-8", newline="") as target:
            while text := source.read(_BLOCK):
                target.write(text)
    except UnicodeError as error:
        raise SongFileError(
            f"{name} begins like text in {_NAMES[encoding]}, but is damaged or cut short: {error}."
        ) from error
    return copy


def _mend_lines(path: Path, name: str, copy: Path, *, ends_with_return: bool) -> str:
    """Write `copy` in UTF-8, of text in Windows-1252; returns what to say.

    Where most of the lines with signs beyond ASCII are UTF-8, two files were joined: each line is read as what it is.
    """
    found, sample = Counter[bool | None](), b""
    with path.open("rb") as source:
        for line in _byte_lines(source, ends_with_return=ends_with_return):
            is_utf8 = _is_utf8(line)
            found[is_utf8] += 1
            if is_utf8 is False and len(sample) < _BLOCK:
                sample += line
    if found[False] >= found[True]:
        _require_western(name, sample)
    is_mixed, count, example = found[True] > found[False], 0, ""
    with path.open("rb") as source, copy.open("w", encoding="utf-8", newline="") as target:
        for number, line in enumerate(_byte_lines(source, ends_with_return=ends_with_return), start=1):
            is_utf8 = _is_utf8(line)
            if is_utf8 is None or (is_utf8 and is_mixed):
                target.write(line.decode("utf-8-sig" if number == 1 else "utf-8"))
                continue
            text = line.decode("cp1252", errors="as_latin1")
            target.write(text)
            count += 1
            example = example or f"line {number:,}: {_example(text)}"
    words = "1 line is" if count == 1 else f"{count:,} lines are"
    return f"{words} not UTF-8, and read as Windows-1252 (Latin-1), such as {example}"


def _require_western(name: str, sample: bytes) -> None:
    """Raise `SongFileError` for text in which most signs beyond ASCII stand in runs: words of Latin letters have few.

    What such text is can be told by who reads it; a guess from short titles is wrong too often.
    """
    beyond = sum(map(len, re.findall(rb"[\x80-\xff]+", sample)))
    in_runs = sum(map(len, re.findall(rb"[\x80-\xff]{2,}", sample)))
    if beyond < _ENOUGH_SIGNS or in_runs * 2 < beyond:
        return
    readings = {}
    for encoding in _NOT_WESTERN:
        with suppress(UnicodeDecodeError):
            word = re.findall(r"[^\x00-\x7f]{2,}", sample.decode(encoding))[0][:20]
            if word.isalpha():
                readings[encoding.upper().replace("_", "-")] = word
    shown = ", ".join(f"{word!r} ({encoding})" for encoding, word in list(readings.items())[:5])
    raise SongFileError(
        f"{name} is neither in UTF-8 nor in a Western encoding (Windows-1252, Latin-1): its names would be wrong.\n"
        f"It may be one of these: {shown or 'unknown'}. Write it in UTF-8, with the encoding whose words are right:\n"
        f"iconv -f {next(iter(readings), 'ENCODING')} -t UTF-8 {for_shell(name)} > songs-in-utf8.csv"
    )


def _is_utf8(line: bytes) -> bool | None:
    """Whether the line is UTF-8; None where it is ASCII, which all encodings share."""
    if line.isascii():
        return None
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _byte_lines(file: IO[bytes], *, ends_with_return: bool) -> Iterator[bytes]:
    """The lines of the file, in parts where they are long; a carriage return alone becomes a line feed."""
    if not ends_with_return:
        while part := file.readline(LONGEST_LINE):
            yield part
        return
    rest = b""
    while block := file.read(_BLOCK):
        *whole, rest = (rest + block).split(b"\r")
        yield from (line + b"\n" for line in whole)
    if rest:
        yield rest


def _with_line_feeds(path: Path, copy: Path) -> None:
    """Write `copy` with line feeds for the carriage returns that end each line."""
    with path.open("rb") as source, copy.open("wb") as target:
        while block := source.read(_BLOCK):
            target.write(block.replace(b"\r", b"\n"))


def _example(text: str) -> str:
    """The first word of the text that is not plain ASCII, with the words beside it."""
    found = re.search(r"(\w+ )?[^\s,;\t|\"]*[^\x00-\x7f][^\s,;\t|\"]*( \w+)?", text)
    return repr(found[0][:60]) if found else "…"


def _as_latin1(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return error.object[error.start : error.end].decode("latin-1"), error.end
