"""Which column of a file is which field of ours: the layouts that we know, and --map for the others.

Belongs here: names of columns, and what a layout says of its values. Not here: formats, and rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from extract.song_files.containers import Container
from extract.song_files.errors import SongFileError
from warehouse.files import for_shell
from warehouse.values import NEVER_ABSENT

REQUIRED = ("spotify_track_id", "song_name", "artist_name", "genre", *NEVER_ABSENT)
OPTIONAL = ("time_signature", "popularity", "explicit", "album_id", "album_name", "album_release_date")
FIELDS = (*REQUIRED, *OPTIONAL)


@dataclass(frozen=True)
class Purpose:
    """What a file is read for: the fields that it must have, and the command, with FILE for the file's path."""

    needed: tuple[str, ...]
    command: str


IMPORT = Purpose(REQUIRED, "song-genres import FILE")
CLEAN = Purpose(REQUIRED, "song-genres clean FILE OUT")
PREDICT = Purpose(NEVER_ABSENT, "song-genres predict FILE")


@dataclass(frozen=True)
class Layout:
    """How a kind of file names its columns: our field -> its column, where the two differ."""

    name: str
    columns: Mapping[str, str] = field(default_factory=dict)
    artist_separator: str | None = None
    missing_text: str | None = None  # what stands for a name that is not known; else "NA" may well be a song's name

    def column(self, name: str) -> str:
        """The layout's column for our field `name`."""
        return self.columns.get(name, name)


# The layout of which the fewest required columns are missing is taken, the first of several.
LAYOUTS = (
    Layout("study"),
    Layout(
        "tidytuesday",
        {
            "spotify_track_id": "track_id",
            "song_name": "track_name",
            "artist_name": "track_artist",
            "genre": "playlist_genre",
            "popularity": "track_popularity",
            "album_id": "track_album_id",
            "album_name": "track_album_name",
            "album_release_date": "track_album_release_date",
        },
        missing_text="NA",  # as R writes it
    ),
    Layout(
        "kaggle",
        {
            "spotify_track_id": "track_id",
            "song_name": "track_name",
            "artist_name": "artists",
            "genre": "track_genre",
        },
        artist_separator=";",
    ),
    Layout("spotify's names", {"spotify_track_id": "id", "song_name": "name"}),
)


def recognise(
    file: Container, columns: Sequence[str], mapping: Mapping[str, str], purpose: Purpose
) -> tuple[Layout, dict[str, str]]:
    """The layout of a file with these columns, and our field -> its column for the fields that it has.

    Names are compared without regard to upper and lower case. `mapping` (our field -> column) comes before the layout.
    Raises `SongFileError`: a field or column of `mapping` that there is not, or a needed field that is missing.
    """
    by_name = {column.lower(): column for column in columns}
    if unknown := sorted(set(mapping) - set(FIELDS)):
        raise SongFileError(f"--map: there is no field {unknown[0]!r}. Fields: {', '.join(FIELDS)}.")
    if absent := sorted(column for column in mapping.values() if column.lower() not in by_name):
        raise SongFileError(f"{file.name} has no column {absent[0]!r}. It has: {', '.join(columns)}.")
    candidates = [replace(layout, columns={**layout.columns, **mapping}) for layout in LAYOUTS]
    layout = min(
        candidates, key=lambda candidate: sum(candidate.column(name).lower() not in by_name for name in REQUIRED)
    )
    fields = {name: by_name[layout.column(name).lower()] for name in FIELDS if layout.column(name).lower() in by_name}
    if lacking := [name for name in purpose.needed if name not in fields]:
        raise SongFileError(_lacking(file, columns, layout, lacking, mapping, purpose))
    return (replace(layout, name=f"{layout.name}, mapped") if mapping else layout), fields


def _lacking(
    file: Container, columns: Sequence[str], layout: Layout, lacking: Sequence[str], mapping: Mapping[str, str],
    purpose: Purpose,
) -> str:  # fmt: skip
    named = (name if layout.column(name) == name else f"{name} (there: {layout.column(name)})" for name in lacking)
    without_id = (
        " A file without Spotify's track ids cannot be cleaned: they tell which rows are the same song."
        if "spotify_track_id" in lacking
        else ""
    )
    maps = [f"--map {for_shell(f'{name}={column}')}" for name, column in mapping.items()]
    return (
        f"{file.name}: the layout is not one we know. It has the columns: {', '.join(columns)}. "
        f"For the closest layout, {layout.name}, it lacks: {', '.join(named)}.{without_id} "
        f"If it has these under other names: {purpose.command.replace('FILE', for_shell(file.path))} "
        + " ".join([*maps, *(f"--map {name}=COLUMN" for name in lacking)])
    )
