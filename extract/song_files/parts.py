"""The tables of a container as plain files, one after the other: unpacked, and text in UTF-8.

Belongs here: the way from what a person holds to what the readers of rows can read. Not here: the rows. A file that is
plain already is read where it lies; copies lie in a folder of our own, and only while their table is read.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from extract.song_files import archives
from extract.song_files.containers import Container
from extract.song_files.encodings import Text, as_utf8


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
