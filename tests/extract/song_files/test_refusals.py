"""Refusals: at most four lines, true, and with a command that works."""

from collections.abc import Callable
from pathlib import Path

import pytest

from extract.dumps import import_dump
from extract.song_files import IMPORT, PREDICT, ReadingOptions, SongFileError, contained
from extract.song_files.layouts import recognise
from extract.song_files.refusals import require_enough
from tests.extract.song_files.staged import zipped


def test_a_refusal_is_four_lines_and_its_command_keeps_what_was_said(tmp_path: Path) -> None:
    """Guards against a wall of 5,000 columns, and a proposed command that loses the maps already given."""
    path = tmp_path / "Bob's songs.csv"
    path.write_text("a\n")
    columns = [
        "name",
        "my style",
        "sound",
        *(f"column{number}" for number in range(5000)),
        "tempo",
        "energy",
        "valence",
    ]
    options = ReadingOptions({"tempo": "sound"}, {"duration": "s"}, merge_genres=True)
    found = recognise(str(path), columns, options.mapping)
    with pytest.raises(SongFileError) as caught:
        require_enough(contained(path), columns, found, IMPORT, options)
    lines = str(caught.value).splitlines()
    assert len(lines) == 4
    assert "it lacks a genre for each song" in lines[0]
    assert lines[1] == "Likely: genre in my style."
    assert lines[2].endswith("column16 and 4,986 more.")
    quoted = str(path).replace("'", "'\"'\"'")
    assert lines[3].endswith(
        f"song-genres import '{quoted}' --map tempo=sound --map 'genre=my style' --unit duration=s --merge-genres"
    )
    require_enough(contained(path), columns, found, PREDICT, options)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("4uLU6hMCjMI75M1A2tKUQC\n1301WleyT98MSxVHPZCA6M\n", "is a list of tracks, which does not say how they sound"),
        ("https://open.spotify.com/intl-de/track/4uLU6hMCjMI75M1A2tKUQC?si=1\n" * 2, "is a list of tracks"),
        ("track_id\nx\ny\n", "is a list with one column, track_id"),
        ("track_id^genre^tempo\nx^y^1\n", "has one column only, 'track_id.genre.tempo'.*separated by"),
    ],
)
def test_one_column_is_told_for_what_it_is(warehouse_file: Path, tmp_path: Path, text: str, words: str) -> None:
    """Guards against an id that is proposed as the column of a field."""
    path = tmp_path / "songs.csv"
    path.write_text(text)
    with pytest.raises(SongFileError, match=words) as caught:
        import_dump(path, warehouse_file)
    assert "--map" not in str(caught.value)
    assert ("is a list" in words) == str(caught.value).endswith(f"song-genres run --input {path}")


def test_what_helps_where_most_rows_cannot_be_used(study_csv: Callable[..., Path], warehouse_file: Path) -> None:
    """Guards against advice that is untrue, and a command with words behind it."""
    path = study_csv({"genre": ""}, {"genre": ""}, {})
    with pytest.raises(SongFileError) as caught:
        import_dump(path, warehouse_file)
    first, *rows, last = str(caught.value).splitlines()
    assert (first[-10:], len(rows)) == ("The first:", 2)
    assert last == f"Without genres, a model can name them: song-genres predict {path}"
    path = study_csv({}, {}, {})
    path.write_text(path.read_text().replace("Amber", "Amber,").replace("\n", ",x,y\n").replace(",x,y\n", "\n", 1))
    with pytest.raises(SongFileError, match="Is it whole, and are its fields separated as its header is"):
        import_dump(path, warehouse_file)


def test_of_several_tables_the_one_with_songs_is_named(
    study_csv: Callable[..., Path], warehouse_file: Path, tmp_path: Path
) -> None:
    """Guards against a command that names the table of artists, which stands first."""
    songs = study_csv({}).read_bytes()
    path = zipped(tmp_path / "my files.zip", {"artists.csv": b"id,name\n1,x\n", "tracks.csv": songs})
    with pytest.raises(SongFileError) as caught:
        import_dump(path, warehouse_file, options=ReadingOptions(all_genres=True))
    assert str(caught.value).splitlines()[1] == (
        f"Name one of them: song-genres import '{path}/tracks.csv' --all-genres"
    )
