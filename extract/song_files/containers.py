"""What a song file is before anything of it is understood: its place, its format, its bytes and its lines.

Belongs here: which formats there are, and what is no song file at all. Not here: rows and columns (csv_rows.py,
json_rows.py, parquet_rows.py).
"""

import gzip
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from warehouse.files import for_shell

FORMATS = {"csv": "csv", "tsv": "csv", "parquet": "parquet", "jsonl": "json", "ndjson": "json"}
"""What a file's ending says of its format; a further .gz says nothing, since gzip is known by its first bytes."""

KNOWN = "a CSV (also .gz), Parquet or JSON-lines file"


class SongFileError(ValueError):
    """A song file that cannot be used; the message says what is wrong, where, and what to do."""


@dataclass(frozen=True)
class Container:
    """A file that holds songs.

    `name` is what errors call it, `file_format` a value of `FORMATS`.
    """

    path: Path
    name: str
    file_format: str
    is_gzipped: bool

    @property
    def dataset(self) -> str:
        """The file's name without its ending: what its dataset is called unless another name is given."""
        return re.sub(rf"\.({'|'.join(FORMATS)})(\.gz)?$", "", self.path.name, flags=re.IGNORECASE)

    def open(self) -> IO[bytes]:
        """The file's content, unpacked."""
        return cast(IO[bytes], gzip.open(self.path)) if self.is_gzipped else self.path.open("rb")

    def lines(self) -> Iterator[str]:
        """The lines of a text file, each with its end, decoded one by one so that the error can name the line."""
        with self.open() as file:
            for number, line in enumerate(file, start=1):
                try:
                    yield line.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError as error:
                    raise SongFileError(
                        f"{self.name}, line {number}: not text in UTF-8 ({error.reason}). Convert the file first; "
                        f"if it is in Latin-1: iconv -f latin1 -t utf-8 {for_shell(self.path)} > "
                        f"{for_shell(self.path.with_name('utf8-' + self.path.name))}"
                    ) from error

    def count_lines(self) -> tuple[int, bool]:
        """How many lines the file has, and whether the last one has an end."""
        count, last = 0, b"\n"
        with self.open() as file:
            while block := file.read(1 << 20):
                count, last = count + block.count(b"\n"), block[-1:]
        return count + (last != b"\n"), last == b"\n"


def contained(path: Path, *, name: str | None = None, file_format: str | None = None) -> Container:
    """The song file at `path`, looked at but not read.

    `name` is what errors call it (the path by default), `file_format` a value of `FORMATS` (by default what the
    ending says). Raises `SongFileError`: there is no such file, it is empty, its format is not known, or it is
    something that stands in a song file's place.
    """
    name = name or str(path)
    if not path.exists():
        raise SongFileError(f"{name} does not exist. Give the path of {KNOWN}.")
    if path.is_dir():
        raise SongFileError(f"{name} is a folder. Give the path of one file in it.")
    if not name.isprintable() and any("\ud800" <= sign <= "\udfff" for sign in name):
        raise SongFileError(f"{name!r}: the file's name is not text in UTF-8. Rename the file.")
    try:
        with path.open("rb") as file:
            beginning = file.read(1 << 10)
    except OSError as error:
        raise SongFileError(f"{path.absolute()} cannot be read: {error.strerror}.") from error
    if not beginning:
        raise SongFileError(f"{name} is empty. Give {KNOWN}, with a header.")
    is_gzipped = beginning.startswith(b"\x1f\x8b")
    if is_gzipped:
        with _damage_told(name), gzip.open(path) as unpacked:
            beginning = unpacked.read(1 << 10)
    _refuse_what_is_no_data(name, beginning)
    ending = re.search(r"\.([^.]+?)(\.gz)?$", path.name, re.IGNORECASE)
    file_format = file_format or FORMATS.get(ending[1].lower() if ending else "")
    if not file_format:
        raise SongFileError(
            f"{name}: unknown ending. Known: .csv, .tsv, .jsonl and .ndjson (each also .gz), and .parquet."
        )
    return Container(path, name, file_format, is_gzipped)


def _refuse_what_is_no_data(name: str, beginning: bytes) -> None:
    """Raise `SongFileError`, which says what it is, for what is often saved under the name of a song file."""
    if beginning.startswith(b"version https://git-lfs.github.com/spec/"):
        raise SongFileError(
            f"{name} is a Git LFS pointer: it stands for the file, which was not downloaded with the repository. "
            "There: git lfs pull. Then run the same again."
        )
    if re.match(rb"(\xef\xbb\xbf)?\s*<(!doctype html|html|head|body)\b", beginning, re.IGNORECASE):
        raise SongFileError(
            f"{name} is an HTML page, not a table of songs: perhaps a log-in page in place of the download. "
            "Open it in a browser to see what it says, then download the file anew."
        )


@contextmanager
def _damage_told(name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        raise SongFileError(f"{name} cannot be unpacked; it may be damaged or cut short: {error}") from error


@contextmanager
def standard_input(stream: IO[bytes], *, is_json: bool | None = None) -> Iterator[Container]:
    """Standard input as a file, which is gone afterwards.

    Without `is_json`, what begins with a brace is JSON lines, with PAR1 Parquet, and anything else CSV; each may be
    gzipped. Raises `SongFileError` as `contained` does.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "songs"
        with path.open("wb") as file:
            shutil.copyfileobj(stream, file)
        found = contained(path, name="Standard input", file_format="csv")
        with _damage_told(found.name), found.open() as content:
            beginning = content.read(64)
        if is_json is None:
            is_json = beginning.lstrip().startswith(b"{")
        file_format = "json" if is_json else "parquet" if beginning.startswith(b"PAR1") else "csv"
        yield Container(path, found.name, file_format, found.is_gzipped)
