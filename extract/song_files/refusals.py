"""The words for a file that is read but cannot be used: what it is, what it lacks, and one command that works.

Belongs here: refusals for what a file's columns are, in at most four lines. Not here: how columns are recognised
(layouts.py), and files that cannot be read at all (containers.py and the readers of rows).
"""

import difflib
import re
from collections.abc import Collection, Sequence
from dataclasses import replace

from extract.song_files.containers import STANDARD_INPUT, Container
from extract.song_files.errors import OnlySongs, SongFileError
from extract.song_files.layouts import PREDICT, Columns, Purpose, contents, plain, shown
from extract.song_files.options import ReadingOptions
from warehouse.features import ENOUGH, SOUND
from warehouse.files import for_shell

COLUMNS_COMPARED = 200

_TRACK = re.compile(r"[0-9A-Za-z]{22}|spotify:track:\w+|https?://open\.spotify\.com/\S*track/\S+")


def require_enough(
    file: Container,
    columns: Sequence[str],
    found: Columns,
    purpose: Purpose,
    options: ReadingOptions,
    empty: Collection[str] = (),
) -> None:
    """Raise `SongFileError` where the file lacks what the purpose needs; columns that are `empty` are not proposed."""
    lacking: dict[str, str] = {}  # our field -> what is said of it
    if purpose.has_sound and sum(name in found.fields for name in SOUND) < ENOUGH:
        lacking["danceability"] = f"audio features (at least {ENOUGH} of {', '.join(SOUND)})"
    if purpose.has_genres and "genre" not in found.fields:
        lacking["genre"] = "a genre for each song"
    if purpose.makes_listings and not {"spotify_track_id", "song_name"} & set(found.fields):
        lacking["song_name"] = "ids or titles, which tell songs apart (spotify_track_id or song_name)"
    if not lacking:
        return
    if len(columns) == 1:
        raise _of_one_column(file, columns[0], found)
    sought = [name for name in SOUND if name not in found.fields] if "danceability" in lacking else []
    free = [column for column in columns if column not in found.fields.values() and column not in empty]
    likely = {name: words for name in dict.fromkeys([*sought, *lacking]) if (words := _likely(name, free))}
    lines = [f"{file.name}: it lacks {'; and '.join(lacking.values())}."]
    if likely:
        lines.append("Likely: " + "; ".join(f"{name} in {', '.join(words)}" for name, words in likely.items()) + ".")
    lines.append(f"It has the columns: {shown(columns)}.")
    if list(lacking) == ["genre"] and not likely:
        maps = ReadingOptions(options.mapping, options.units).as_arguments()
        lines.append(f"A model can name the genres of these songs: {command(PREDICT, file)}{maps}")
    elif found.fields and "danceability" in lacking and not likely and not set(SOUND) & set(found.fields):
        lines.append(_how_to_have_sound(file))
    else:
        mapping = dict(options.mapping)
        for name in dict.fromkeys([*likely, *lacking]):
            # A column is proposed for one field alone.
            mapping[name] = next((word for word in likely.get(name, ()) if word not in mapping.values()), "COLUMN")
        again = replace(options, mapping=mapping).as_arguments()
        lines.append(f"If it has them under other names: {command(purpose, file)}{again}")
    names_songs = {"spotify_track_id", "song_name"} & set(found.fields) and set(lacking) <= {"danceability", "genre"}
    raise (OnlySongs if names_songs and not likely else SongFileError)("\n".join(lines))


def _of_one_column(file: Container, column: str, found: Columns) -> SongFileError:
    """The error for a list, and for a table whose columns were not told apart."""
    if found.fields or _TRACK.fullmatch(column):
        what = "a list of tracks" if _TRACK.fullmatch(column) else f"a list with one column, {column}"
        return SongFileError(f"{file.name} is {what}, which does not say how they sound.\n{_how_to_have_sound(file)}")
    return SongFileError(
        f"{file.name} has one column only, {column[:60]!r}. The columns of a CSV are separated by , ; | or a tab.\n"
        "Write the table anew so, or as .xlsx or JSON."
    )


def _how_to_have_sound(file: Container) -> str:
    advice = "Export these songs with their audio features (Exportify has an option for it) and give that"
    if file.name == STANDARD_INPUT:
        return f"{advice}."
    return f"{advice}; or have ReccoBeats asked for them: song-genres run --input {for_shell(file.path)}"


def command(purpose: Purpose, file: Container) -> str:
    """The command for the file, to be copied into a shell."""
    return purpose.command.replace("FILE", "-" if file.name == STANDARD_INPUT else for_shell(file.path))


def _likely(name: str, free: Sequence[str]) -> list[str]:
    """Columns that may be our field: of a name that holds a word for it, or is nearly one of its names."""
    entry = contents()["fields"][name]
    known = [plain(name), *map(plain, entry["names"])]
    useless = set(map(plain, [*contents()["not_used"], *contents()["private"]]))
    return [
        column
        for column in free[:COLUMNS_COMPARED]
        if plain(column) not in useless
        and (
            any(word in plain(column) for word in entry.get("likely", ()))
            or difflib.get_close_matches(plain(column), known, n=1, cutoff=0.8)
        )
    ][:3]
