"""Archives and folders: which files in them are tables, and how they are unpacked without filling the disk.

Belongs here: zip, folders, and single files packed with gzip, bzip2 or xz. Not here: what a file is by its bytes
(kinds.py), and what stands in it. No name from an archive is ever used as a path: what is unpacked has names of our
own, in a folder of our own.
"""

import bz2
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, cast

from extract.song_files.errors import ListeningHistory, SongFileError
from extract.song_files.kinds import BEGINNING, ENDINGS, PACKINGS, ending_of, is_named_like_a_history

FREE_BYTES = 256 << 20
MAXIMUM_RATIO = 100
MAXIMUM_BYTES = 64 << 30
"""How much may be unpacked: the first figure in bytes in any case; beyond it, the second times the archive's size; and
never more than the third. Tables of songs pack to a third or a tenth; only what fills a disk packs to a thousandth."""

_ENCRYPTED = 0x1
_READ_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # Python bounds what it unpacks at once for these alone
_ARCHIVE_ENDINGS = ("zip", "7z", "rar", "tar", "tgz", *PACKINGS.values(), "zst")
_UNPACKED: dict[str, Callable[[IO[bytes]], gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile]] = {
    "gzip": lambda file: gzip.GzipFile(fileobj=file), "bzip2": bz2.BZ2File, "xz": lzma.LZMAFile,
}  # fmt: skip
_OFFICE = (
    ("xl/workbook.bin", "a binary workbook (.xlsb)"),
    ("word/document.xml", "a word processor's document (.docx)"),
    ("ppt/presentation.xml", "a presentation (.pptx)"),
)


class Allowance:
    """How many more bytes may be unpacked from an archive of `packed` bytes."""

    def __init__(self, name: str, packed: int) -> None:
        self._name = name
        self._left = min(max(FREE_BYTES, MAXIMUM_RATIO * packed), MAXIMUM_BYTES)

    def take(self, count: int) -> None:
        """Count `count` bytes. Raises `SongFileError` where there are more than an archive of songs has."""
        self._left -= count
        if self._left < 0:
            raise SongFileError(
                f"{self._name} unpacks to more than {MAXIMUM_RATIO} times its size, which no table of songs does: it "
                "may be made to fill the disk. If it is right as it is, unpack it yourself and give the file in it."
            )


@contextmanager
def damage_told(name: str) -> Iterator[None]:
    """Tell of an archive that is damaged as a `SongFileError`; a disk that is full is another matter."""
    try:
        yield
    except (zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # damage has no number
            raise
        raise SongFileError(f"{name} cannot be unpacked; it may be damaged or cut short: {error}") from error


def zip_content(name: str, path: Path) -> str | list[str]:
    """The names of the tables in a zip, in the order of their names; `xlsx` or `fma` where it is one table as a whole.

    Raises `SongFileError` for a zip that has none, or none that can be read, and for one that is something else.
    """
    with damage_told(name), zipfile.ZipFile(path) as archive:
        entries = {entry.filename: entry for entry in archive.infolist() if not entry.is_dir()}
        if "xl/workbook.xml" in entries:
            return "xlsx"
        if any(Path(inner).name == "echonest.csv" or Path(inner).parent.name == "fma_metadata" for inner in entries):
            return "fma"
        is_open_document = "content.xml" in entries and "META-INF/manifest.xml" in entries
    for inner, what in _OFFICE:
        if inner in entries:
            raise SongFileError(f"{name} is {what}, which is not read here. Save its table as .xlsx or CSV.")
    if is_open_document:
        raise SongFileError(f"{name} is an OpenDocument file (.ods), which is not read here. Save it as .xlsx or CSV.")
    if any(map(is_named_like_a_history, entries)):
        raise ListeningHistory(name)
    tables = choose_tables(name, list(entries), what="archive")
    for inner in tables:
        if entries[inner].flag_bits & _ENCRYPTED:
            raise SongFileError(f"{name} is locked with a password. Unpack it, and give the file in it.")
        if entries[inner].compress_type not in _READ_METHODS:
            raise SongFileError(
                f"{name}: {shown(inner)} is packed by a method that is not read here. Unpack it, and give the file."
            )
    return tables


def choose_tables(name: str, names: Sequence[str], *, what: str) -> list[str]:
    """Those of the names in a folder or an archive that are tables, in their order: all with the ending of one.

    A single file is the table whatever it is called. What systems add of their own (`__MACOSX/`, names that begin with
    a dot) is no file. Raises `SongFileError` where there is no table.
    """
    files = sorted(
        inner for inner in names if "__MACOSX" not in inner.split("/") and not inner.split("/")[-1].startswith(".")
    )
    tables = [inner for inner in files if ENDINGS.get(ending_of(inner)) and ending_of(inner) != "txt"]
    if not tables and len(files) == 1:
        tables = files
    packed = [inner for inner in files if inner.lower().endswith(tuple(f".{ending}" for ending in _ARCHIVE_ENDINGS))]
    if packed and (not tables or tables == packed[:1] and ending_of(packed[0]) == "zip"):
        raise SongFileError(
            f"{name} holds an archive in its turn ({shown(packed[0])}). Unpack it, and give what is in it."
        )
    if not tables:
        listed = f": {', '.join(map(shown, files[:5]))}" if files else ", and no file"
        raise SongFileError(
            f"The {what} {name} holds no table of songs (.csv, .tsv, .json, .jsonl, .parquet, .xlsx){listed}."
        )
    return tables


def shown(inner: str) -> str:
    """A name from an archive as it may be shown on a screen."""
    return inner if inner.isprintable() else repr(inner)


def beginning_of_zipped(name: str, path: Path, inner: str) -> bytes:
    """The first bytes of a file in a zip, unpacked."""
    with damage_told(name), zipfile.ZipFile(path) as archive, archive.open(inner) as file:
        return file.read(BEGINNING)


def unpacked_beginning(name: str, packing: str, path: Path, inner: str | None) -> bytes:
    """The first bytes of what is packed in the file at `path`, or in the file `inner` of the zip there."""
    with damage_told(name), ExitStack() as stack:
        if inner is None:
            file: IO[bytes] = stack.enter_context(path.open("rb"))
        else:
            file = stack.enter_context(stack.enter_context(zipfile.ZipFile(path)).open(inner))
        return stack.enter_context(_UNPACKED[packing](file)).read(BEGINNING)


def unpack_zipped(name: str, path: Path, inner: str, target: Path, allowance: Allowance) -> None:
    """Write the file `inner` of the zip to `target`."""
    with damage_told(name), zipfile.ZipFile(path) as archive, archive.open(inner) as file:
        _copy(file, target, allowance)


def unpack(name: str, packing: str, path: Path, target: Path, allowance: Allowance) -> None:
    """Write what is packed in the file to `target`."""
    with damage_told(name), path.open("rb") as source, _UNPACKED[packing](source) as file:
        _copy(cast(IO[bytes], file), target, allowance)


def unpacked(name: str, path: Path) -> Iterator[tuple[str, bytes]]:
    """What is in a zip, block by block, each with the name of its file. Raises `SongFileError` where it is too much."""
    allowance = Allowance(name, path.stat().st_size)
    with damage_told(name), zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if entry.compress_type not in _READ_METHODS:
                raise SongFileError(f"{name} is packed by a method that is not read here. Save it as .xlsx or CSV.")
            with archive.open(entry) as file:
                while block := file.read(1 << 20):
                    allowance.take(len(block))
                    yield entry.filename, block


def _copy(file: IO[bytes], target: Path, allowance: Allowance) -> None:
    with target.open("wb") as unpacked:
        while block := file.read(1 << 20):
            allowance.take(len(block))
            unpacked.write(block)
