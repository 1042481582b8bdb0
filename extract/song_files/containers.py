"""What a person holds that has songs in it: a file, an archive or a folder of files, and its tables as plain files.

Belongs here: which tables it has, what its dataset is called, whether it stays as it is while it is read, and the way
to what the readers of rows can read. Not here: what bytes say (kinds.py), how archives are unpacked (archives.py),
encodings (encodings.py), rows and columns (csv_rows.py and its like).
"""

import hashlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from extract.song_files import archives
from extract.song_files.encodings import Text, as_utf8
from extract.song_files.errors import SongFileError
from extract.song_files.kinds import BEGINNING, ENDINGS, KNOWN, PACKINGS, ending_of, kind_of

STANDARD_INPUT = "Standard input"
"""What errors call it, since its file is one of ours and soon gone."""


@dataclass(frozen=True)
class Table:
    """A table of a container: the file at `path`, or the file `inner` in the zip there.

    `name` is what errors call it, `kind` one of `kinds.TABLES`; `packing` is one of `kinds.PACKINGS`, if it is packed.
    """

    name: str
    path: Path
    kind: str
    inner: str | None = None
    packing: str | None = None


@dataclass(frozen=True)
class Container:
    """A file or folder that holds songs, and its tables in the order in which they are read.

    `name` is what errors call it; `member` is the one table or sheet that was asked for, if one was; `states` are size
    and time of change of its files when they were looked at.
    """

    path: Path
    name: str
    tables: tuple[Table, ...]
    states: tuple[tuple[Path, int, int], ...]
    member: str | None = None

    @property
    def file_format(self) -> str:
        """What its tables are, one of `kinds.TABLES`."""
        return self.tables[0].kind

    @property
    def dataset(self) -> str:
        """The name without its endings: what the dataset is called unless another name is given."""
        name = self.path.resolve().name if self.path.is_dir() else Path(self.member or self.path.name).name
        endings = "|".join((*ENDINGS, *PACKINGS.values(), "zip"))
        return name if self.path.is_dir() else re.sub(rf"(?<=.)(\.({endings}))+$", "", name, flags=re.IGNORECASE)

    def digest(self) -> "hashlib._Hash":
        """SHA-256 of the content: the file's, or of all files of a folder in the order of their names."""
        if not self.path.is_dir():
            with self.path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256")
        else:
            digest = hashlib.sha256()
            for path, *_ in self.states:
                with path.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
        if self.member is not None:
            digest.update(self.member.encode())
        return digest

    def require_unchanged(self) -> None:
        """Raise `SongFileError` if one of the files is another than it was: then what was read is of no one state."""
        for before in self.states:
            path = before[0]
            if not path.exists() or before != _state(path):
                raise SongFileError(
                    f"{path} has changed while it was read: is it still being written? Nothing was landed or written. "
                    "Wait until it is whole, and run the same again."
                )


def contained(path: Path, *, name: str | None = None, file_format: str | None = None) -> Container:
    """What `path` holds: a file, an archive or a folder; or one table of these, as in `archive.zip/songs.csv`.

    `name` is what errors call it (the path by default); `file_format`, csv or json, is what text is read as whatever it
    looks like. Raises `SongFileError`: there is nothing, it is empty, or something that stands in a song file's place.
    """
    name = name or str(path)
    if not name.isprintable() and any("\ud800" <= sign <= "\udfff" for sign in name):
        raise SongFileError(f"{name!r}: the file's name is not text in UTF-8. Rename the file.")
    member = None
    if not path.exists() and (file := file_around(path)):
        path, member = file, str(path.relative_to(file))
    if not path.exists():
        raise SongFileError(f"{name} does not exist. Give the path of {KNOWN}.")
    if path.is_dir():
        return _folder(path, name)
    if not path.is_file():
        raise SongFileError(f"{name} is no file but a pipe or a device, which cannot be read twice. Save it to a file.")
    state = _state(path)
    tables = tuple(_tables(path, str(path) if member else name, file_format, member))
    return Container(path, name, tables, (state,), member)


def file_around(path: Path) -> Path | None:
    """The archive or workbook whose table `path` names, as in `archive.zip/songs.csv`; None for any other path."""
    return next((folder for folder in path.parents if folder.is_file()), None)


def _folder(path: Path, name: str) -> Container:
    names = [inner.name for inner in path.iterdir() if inner.is_file()]
    files = [path / inner for inner in archives.choose_tables(name, names, what="folder")]
    states = tuple(_state(file) for file in files)
    tables = [table for file in files for table in _tables(file, str(file), None, None)]
    return Container(path, name, tuple(tables), states)


def _tables(path: Path, name: str, file_format: str | None, member: str | None) -> Iterator[Table]:
    """The tables of one file."""
    beginning = _beginning(path, name)
    kind = kind_of(name, beginning, file_name=path.name)
    found = archives.zip_content(name, path) if kind == "zip" else kind
    if isinstance(found, str):
        if member is not None and found != "xlsx":
            raise SongFileError(f"{name} is one file, not an archive with {member} in it.")
        yield _one(name, path, None, found, file_format)
        return
    if member is not None:
        if member not in found:
            raise SongFileError(f"{name} has no table {member}. It has: {', '.join(map(archives.shown, found))}.")
        found = [member]
    for inner in found:
        label = name if len(found) == 1 and member is None else f"{name}/{archives.shown(inner)}"
        beginning = archives.beginning_of_zipped(label, path, inner)
        if not beginning:
            raise SongFileError(f"{label} is empty. Give {KNOWN}, with a header.")
        kind = kind_of(label, beginning, file_name=inner)
        if kind == "zip":
            if ENDINGS.get(ending_of(inner)) != "xlsx":
                raise SongFileError(f"{label} is an archive in its turn. Unpack it, and give what is in it.")
            kind = "xlsx"
        yield _one(label, path, inner, kind, file_format)


def _one(name: str, path: Path, inner: str | None, kind: str, file_format: str | None) -> Table:
    """The table that a file is, itself or as what is packed in it."""
    packing = kind if kind in PACKINGS else None
    if packing:
        unpacked = archives.unpacked_beginning(name, packing, path, inner)
        if not unpacked:
            raise SongFileError(f"{name} is empty. Give {KNOWN}, with a header.")
        kind = kind_of(name, unpacked, file_name=inner or path.name)
        if kind in (*PACKINGS, "zip"):
            raise SongFileError(f"{name} is packed twice. Unpack it, and give what is in it.")
    if file_format and kind in ("csv", "json"):
        kind = file_format
    return Table(name, path, kind, inner, packing)


def _beginning(path: Path, name: str) -> bytes:
    try:
        with path.open("rb") as file:
            beginning = file.read(BEGINNING)
    except OSError as error:
        raise SongFileError(f"{path.absolute()} cannot be read: {error.strerror}.") from error
    if not beginning:
        raise SongFileError(f"{name} is empty. Give {KNOWN}, with a header.")
    return beginning


def _state(path: Path) -> tuple[Path, int, int]:
    found = path.stat()
    return path, found.st_size, found.st_mtime_ns


@contextmanager
def standard_input(stream: IO[bytes], *, is_json: bool | None = None) -> Iterator[Container]:
    """Standard input as a file, which is gone afterwards.

    It is told by its content as files are; `is_json` says whether text is JSON or CSV whatever it looks like. Raises
    `SongFileError` as `contained` does.
    """
    with tempfile.TemporaryDirectory(prefix="song-genres-") as folder:
        path = Path(folder) / "songs"
        with path.open("wb") as file:
            shutil.copyfileobj(stream, file)
        file_format = None if is_json is None else "json" if is_json else "csv"
        yield contained(path, name=STANDARD_INPUT, file_format=file_format)


@dataclass(frozen=True)
class Part:
    """A table as a plain file.

    `name` is what errors call it; `text` what is known of a CSV's or JSON's lines; `sheet` is the one that was asked
    for; `notes` are what the person should know of how it was read, added to by those who read it.
    """

    path: Path
    name: str
    kind: str
    text: Text = Text(0, 0, has_last_end=True)
    sheet: str | None = None
    notes: list[str] = field(default_factory=list)


def parts(file: Container, folder: Path) -> Iterator[Part]:
    """Each table of the file in turn, with its copies in `folder`, which are removed before the next one.

    Raises `SongFileError` for what cannot be unpacked, or is no text.
    """
    allowances = {path: archives.Allowance(str(path), size) for path, size, _ in file.states}
    for table in file.tables:
        path, notes = table.path, list[str]()
        if table.inner is not None:
            path = folder / "unzipped"
            archives.unpack_zipped(table.name, table.path, table.inner, path, allowances[table.path])
        if table.packing:
            packed, path = path, folder / "unpacked"
            archives.unpack(table.name, table.packing, packed, path, allowances[table.path])
        text = Part.text
        if table.kind in ("csv", "json"):
            path, text = as_utf8(path, table.name, folder / "text", notes, has_lines=table.kind == "csv")
        sheet = file.member if table.inner is None else None
        yield Part(path, table.name, table.kind, text, sheet, notes)
        for copy in folder.iterdir():
            copy.unlink()
