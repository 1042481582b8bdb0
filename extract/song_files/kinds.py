"""What a file is by its first bytes, whatever its name says.

Belongs here: the kinds that are read, and by name what is often given in a song file's place. Not here: how a kind is
read (archives.py, csv_rows.py, json_rows.py, xlsx_rows.py, parquet_rows.py, fma_rows.py).
"""

import re

from extract.song_files.encodings import wide_encoding
from extract.song_files.errors import ListeningHistory, SongFileError
from warehouse.files import for_shell

BEGINNING = 1 << 16
"""How many bytes of a file are looked at to tell its kind, its columns and what separates them."""

TABLES = ("csv", "json", "parquet", "xlsx", "fma")
"""The kinds that are tables of songs; the others, zip and `PACKINGS`, hold tables."""

FMA_MEMBERS = ("tracks.csv", "genres.csv", "echonest.csv")
"""What is read of FMA's `fma_metadata.zip`, which is one table of songs as a workbook is."""

PACKINGS = {"gzip": "gz", "bzip2": "bz2", "xz": "xz"}
"""The kinds that are one file packed, and the ending that each adds to its name."""

_PACKED = ((b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\0", "xz"))

ENDINGS = {
    "csv": "csv", "tsv": "csv", "tab": "csv", "txt": "csv", "parquet": "parquet", "pq": "parquet", "json": "json",
    "jsonl": "json", "ndjson": "json", "xlsx": "xlsx", "xlsm": "xlsx",
}  # fmt: skip
"""What the ending of a name says. It counts where several files lie together, and for text that shows no kind."""

KNOWN = "a CSV, JSON, Parquet or Excel (.xlsx) file, also packed (.zip, .gz, .bz2, .xz), or a folder of such files"

_EXPORT_IT = "Export its table as CSV, and give that."
_UNPACK_IT = "Unpack it, and give the file in it."
_NO_TABLE = "Give the file with the table of songs."
_SIGNATURES = (
    (0, b"%PDF-", "a PDF document", "Look for the same table as CSV or .xlsx."),
    (0, b"\x89PNG\r\n", "a picture (PNG)", _NO_TABLE),
    (0, b"\xff\xd8\xff", "a picture (JPEG)", _NO_TABLE),
    (0, b"GIF8", "a picture (GIF)", _NO_TABLE),
    (0, b"RIFF", "a sound or picture file (RIFF)", _NO_TABLE),
    (0, b"ID3", "a sound file (MP3)", _NO_TABLE),
    (0, b"fLaC", "a sound file (FLAC)", _NO_TABLE),
    (0, b"OggS", "a sound file (Ogg)", _NO_TABLE),
    (0, b"SQLite format 3\0", "an SQLite database", _EXPORT_IT),
    (8, b"DUCK", "a DuckDB database", _EXPORT_IT),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office file, or one with a password (.xls)", "Save it as .xlsx."),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK_IT),
    (0, b"Rar!\x1a\x07", "a RAR archive", _UNPACK_IT),
    (0, b"\x28\xb5\x2f\xfd", "packed with zstd", f"{_UNPACK_IT} Most systems have a command: unzstd FILE"),
    (257, b"ustar", "a tar archive", f"{_UNPACK_IT} Most systems have a command: tar -xf FILE"),
    (0, b"\x80\x04\x95", "a pickle of Python's", "In pandas: frame.to_parquet('songs.parquet'), and give that."),
    (0, b"\x80\x05\x95", "a pickle of Python's", "In pandas: frame.to_parquet('songs.parquet'), and give that."),
    (0, b"ARROW1", "an Arrow (Feather) file", "Write it as Parquet, and give that."),
    (0, b"FEA1", "an old Feather file", "Write it as Parquet, and give that."),
    (0, b"ORC", "an ORC file", "Write it as Parquet, and give that."),
    (0, b"Obj\x01", "an Avro file", "Write it as Parquet, and give that."),
    (0, b"\x89HDF", "an HDF5 file", _EXPORT_IT),
    (0, b"\x93NUMPY", "a NumPy array", _EXPORT_IT),
    (0, b"RDX", "R's own data file", "In R: write.csv(it, 'songs.csv'), and give that."),
    (0, b"{\\rtf", "a word processor's document (RTF)", _EXPORT_IT),
)
"""Where which bytes stand in what is no table that is read here, what it is, and what to do."""

_HISTORY_NAME = re.compile(r"(^|/)(StreamingHistory[^/]*|Streaming_History_[^/]*|YourLibrary|Playlist\d+)\.json$")
_HISTORY_KEYS = (
    {"endTime", "msPlayed"},
    {"ts", "ms_played"},
    {"playlists", "trackUri"},
)
"""The keys that a listening history, a long one and a list of playlists have."""


def kind_of(name: str, beginning: bytes, *, file_name: str) -> str:
    """The kind of the file that begins so: one of `TABLES` or `PACKINGS`, or zip.

    `name` is what errors call it. Raises `SongFileError` for what is no table of songs, and says what it is.
    """
    _refuse_what_is_no_data(name, beginning)
    if beginning.startswith(b"PAR1"):
        return "parquet"
    if beginning.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return "zip"
    for signature, packing in _PACKED:
        if beginning.startswith(signature) and not _is_a_line_of_text(beginning):
            return packing
    if b"\0" in beginning and not wide_encoding(beginning):
        raise SongFileError(f"{name} is not text but binary data, of a kind that is not known here.")
    text = _beginning_of_text(beginning)
    if text.startswith(("{", "[")):
        if is_listening_history(file_name, text):
            raise ListeningHistory(name)
        return "json"
    # JSON lines of which the first is broken, or no text at all; but a CSV is one under any name.
    may_be_json = not text or re.search(r"^[ \t]*\{", text, re.MULTILINE)
    return "json" if may_be_json and ENDINGS.get(ending_of(file_name)) == "json" else "csv"


def ending_of(file_name: str) -> str:
    """The ending of a name, without the dot and without a further one of `PACKINGS`."""
    found = re.search(r"\.([^./]+?)(\.(gz|bz2|xz))?$", file_name, re.IGNORECASE)
    return found[1].lower() if found else ""


def is_listening_history(file_name: str, text: str) -> bool:
    """Whether JSON that begins with this text is what Spotify sends of a person's own music."""
    keys = set(re.findall(r'"(\w+)"\s*:', text))
    if any(wanted <= keys for wanted in _HISTORY_KEYS):
        return True
    return bool(_HISTORY_NAME.search(file_name)) and not {"danceability", "energy"} <= keys


def is_named_like_a_history(file_name: str) -> bool:
    """Whether a file of this name in an archive is part of what Spotify sends of a person's own music."""
    return bool(_HISTORY_NAME.search(file_name))


def _beginning_of_text(beginning: bytes) -> str:
    return beginning.decode(wide_encoding(beginning) or "utf-8-sig", errors="replace").lstrip()


def _refuse_what_is_no_data(name: str, beginning: bytes) -> None:
    """Raise `SongFileError`, which says what it is, for what is often saved under the name of a song file."""
    if beginning.startswith(b"version https://git-lfs.github.com/spec/"):
        raise SongFileError(
            f"{name} is a Git LFS pointer: it stands for the file, which was not downloaded with the repository. "
            "There: git lfs pull. Then run the same again."
        )
    text = _beginning_of_text(beginning[:1024])
    if text.startswith("<?xml"):
        raise SongFileError(f"{name} is an XML document, which is not read here. {_EXPORT_IT}")
    if re.match(r"<(!doctype html|html|head|body|table|div)\b", text, re.IGNORECASE):
        raise SongFileError(
            f"{name} is an HTML page, not a table of songs: perhaps a log-in page in place of the download. "
            "Open it in a browser to see what it says, then download the file anew."
        )
    for offset, signature, what, to_do in _SIGNATURES:
        # A CSV may begin with a word such as ID3: what has no line of text behind it is the file itself.
        if beginning.startswith(signature, offset) and not _is_a_line_of_text(beginning):
            raise SongFileError(f"{name} is {what}, which is not read here. {to_do.replace('FILE', for_shell(name))}")


def _is_a_line_of_text(beginning: bytes) -> bool:
    first = beginning.split(b"\n", 1)[0].rstrip(b"\r")
    is_text = first.isascii() and first.decode("ascii").isprintable()
    return is_text and not first.startswith((b"%PDF-", b"{\\rtf", b"RDX"))
