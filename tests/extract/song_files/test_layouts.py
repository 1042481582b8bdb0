"""Which column is which field, in the layouts of files that people hold, and in names of no layout."""

import pytest

from extract.song_files import ReadingOptions, SongFileError
from extract.song_files.layouts import fields, layouts, recognise, spellings
from warehouse.features import AUDIO_FEATURES

OURS = ",".join(AUDIO_FEATURES)

FILES = {
    "study": (
        f"{OURS},artist_name,song_name,genre,spotify_track_id,popularity",
        "",
        "",
    ),
    "tidytuesday": (
        "track_id,track_name,track_artist,track_popularity,track_album_id,track_album_name,"
        f"track_album_release_date,playlist_name,playlist_id,playlist_genre,playlist_subgenre,{OURS}",
        "spotify_track_id=track_id, song_name=track_name, artist_name=track_artist, genre=playlist_genre",
        "playlist_name,playlist_id,playlist_subgenre",
    ),
    "kaggle": (
        f"column 1,track_id,artists,album_name,track_name,popularity,explicit,{OURS},track_genre",
        "spotify_track_id=track_id, artist_name=artists, genre=track_genre, album_name=album_name",
        "column 1",
    ),
    "SpotifyFeatures": (
        f"genre,artist_name,track_name,track_id,popularity,{OURS}",
        "spotify_track_id=track_id, song_name=track_name",
        "",
    ),
    "music_genre": (
        f"instance_id,artist_name,track_name,popularity,{OURS},obtained_date,music_genre",
        "song_name=track_name, genre=music_genre",
        "instance_id,obtained_date",
    ),
    "1 million tracks": (
        f"column 1,artist_name,track_name,track_id,popularity,year,genre,{OURS}",
        "spotify_track_id=track_id, song_name=track_name, album_release_date=year",
        "column 1",
    ),
    "tracks_features": (
        f"id,name,album,album_id,artists,artist_ids,track_number,disc_number,explicit,{OURS},year,release_date",
        "spotify_track_id=id, song_name=name, artist_name=artists, album_name=album, album_release_date=release_date",
        "artist_ids,year",
    ),
    "600k tracks": (
        f"id,name,popularity,explicit,artists,id_artists,release_date,{OURS}",
        "spotify_track_id=id, song_name=name, artist_name=artists",
        "id_artists",
    ),
    "genres_v2": (
        f"{OURS},type,id,uri,track_href,analysis_url,genre,song_name,column 21,title",
        "spotify_track_id=uri, song_name=song_name, genre=genre",
        "type,id,track_href,analysis_url,column 21,title",
    ),
    "top hits": (
        f"artist,song,explicit,year,popularity,genre,{OURS}",
        "artist_name=artist, song_name=song, genre=genre, album_release_date=year",
        "",
    ),
    "hit predictor": (
        f"track,artist,uri,{OURS},chorus_hit,sections,target",
        "song_name=track, artist_name=artist, spotify_track_id=uri",
        "chorus_hit,sections,target",
    ),
    "Spotify 2000": (
        "Index,Title,Artist,Top Genre,Year,Beats Per Minute (BPM),Energy,Danceability,Loudness (dB),Liveness,"
        "Valence,Length (Duration),Acousticness,Speechiness,Popularity",
        "song_name=Title, tempo=Beats Per Minute (BPM), loudness=Loudness (dB), duration_ms=Length (Duration),"
        " album_release_date=Year",
        "Index",
    ),
    "Top 10s": (
        "column 1,title,artist,top genre,year,bpm,nrgy,dnce,dB,live,val,dur,acous,spch,pop",
        "tempo=bpm, energy=nrgy, danceability=dnce, loudness=dB, liveness=live, valence=val, duration_ms=dur,"
        " acousticness=acous, speechiness=spch, popularity=pop",
        "column 1,year",
    ),
    "Spotify 2023": (
        "track_name,artist(s)_name,artist_count,released_year,streams,bpm,key,mode,danceability_%,valence_%,"
        "energy_%,acousticness_%,instrumentalness_%,liveness_%,speechiness_%",
        "artist_name=artist(s)_name, tempo=bpm, energy=energy_%, instrumentalness=instrumentalness_%,"
        " album_release_date=released_year",
        "artist_count,streams",
    ),
    "exportify, older": (
        "Spotify ID,Artist IDs,Track Name,Album Name,Artist Name(s),Release Date,Duration (ms),Popularity,"
        "Added By,Added At,Genres,Danceability,Energy,Key,Loudness,Mode,Speechiness,Acousticness,"
        "Instrumentalness,Liveness,Valence,Tempo,Time Signature",
        "spotify_track_id=Spotify ID, artist_name=Artist Name(s), duration_ms=Duration (ms), genre=Genres,"
        " time_signature=Time Signature",
        "Artist IDs,Added By,Added At",
    ),
    "exportify": (
        "Track URI,Track Name,Album Name,Artist Name(s),Release Date,Duration (ms),Popularity,Explicit,Added By,"
        "Added At,Genres,Record Label,Danceability,Energy,Key,Loudness,Mode,Speechiness,Acousticness,"
        "Instrumentalness,Liveness,Valence,Tempo,Time Signature",
        "spotify_track_id=Track URI, artist_name=Artist Name(s), explicit=Explicit",
        "Added By,Added At,Record Label",
    ),
    "exportify, other": (
        "Track URI,Track Name,Artist URI(s),Artist Name(s),Album URI,Album Name,Album Artist URI(s),"
        "Album Artist Name(s),Album Release Date,Album Image URL,Disc Number,Track Number,Track Duration (ms),"
        "Track Preview URL,Explicit,Popularity,ISRC,Added By,Added At",
        "spotify_track_id=Track URI, artist_name=Artist Name(s), duration_ms=Track Duration (ms), album_id=Album URI,"
        " isrc=ISRC, disc_number=Disc Number, track_number=Track Number",
        "Artist URI(s),Album Artist URI(s),Album Artist Name(s),Album Image URL,Track Preview URL,Added By,Added At",
    ),
    "Spotify and YouTube": (
        "column 1,Artist,Url_spotify,Track,Album,Album_type,Uri,Danceability,Energy,Key,Loudness,Speechiness,"
        "Acousticness,Instrumentalness,Liveness,Valence,Tempo,Duration_ms,Url_youtube,Title,Channel,Views,Stream",
        "spotify_track_id=Uri, song_name=Track, album_name=Album",
        "column 1,Url_spotify,Album_type,Url_youtube,Title,Channel,Views,Stream",
    ),
    "Chosic": (
        "#,Song,Artist,Popularity,BPM,Genres,Parent Genres,Album,Album Date,Time,Dance,Energy,Acoustic,Instrumental,"
        "Happy,Speech,Live,Loud (Db),Key,Time Signature,Added At,Spotify Track Id,Album Label,Camelot",
        "acousticness=Acoustic, instrumentalness=Instrumental, valence=Happy, liveness=Live, duration_ms=Time,"
        " genre=Genres, danceability=Dance, speechiness=Speech, loudness=Loud (Db), key=Key,"
        " time_signature=Time Signature, spotify_track_id=Spotify Track Id, tempo=BPM, album_release_date=Album Date",
        "#,Parent Genres,Added At,Album Label,Camelot",
    ),
    "Sort Your Music": (
        "#,Title,Artist,Release,BPM,Energy,Dance,Loud,Valence,Length,Acoustic,Pop.,A.Sep,Rnd",
        "song_name=Title, tempo=BPM, danceability=Dance, loudness=Loud, duration_ms=Length, acousticness=Acoustic,"
        " popularity=Pop., album_release_date=Release",
        "#,A.Sep,Rnd",
    ),
    "FMA": (
        "track_id,title,artist_name,artist_id,album_id,album_title,album_release_date,track_number,license,duration_s,"
        "genre_top,genres_all,acousticness,danceability,energy,instrumentalness,liveness,speechiness,tempo,valence",
        "spotify_track_id=track_id, song_name=title, duration_ms=duration_s, genre=genre_top, album_name=album_title",
        "artist_id,license,genres_all",
    ),
    "by its columns' names": (
        "Spotify Link,Song Title,Performer,Main Genre,track_danceability,Audio Energy,spotify_tempo,loudness_db,"
        "length_sec",
        "spotify_track_id=Spotify Link, song_name=Song Title, artist_name=Performer, genre=Main Genre,"
        " danceability=track_danceability, energy=Audio Energy, tempo=spotify_tempo, loudness=loudness_db,"
        " duration_ms=length_sec",
        "",
    ),
}
"""The header of a file of each layout; some of our fields with their columns; and the columns that are none."""


@pytest.mark.parametrize("name", FILES)
def test_the_columns_of_each_layout(name: str) -> None:
    """Guards against a column taken for another field, and a layout taken for another."""
    header, expected, unused = FILES[name]
    columns = header.split(",")
    found = recognise("songs.csv", columns, {})
    assert found.layout.name == name
    wanted = dict(pair.split("=") for pair in expected.split(", ") if pair)
    assert {field: found.fields[field] for field in wanted} == wanted
    assert [column for column in columns if column not in found.fields.values()] == [
        column for column in unused.split(",") if column
    ]


def test_every_layout_has_a_case() -> None:
    """Guards against a layout that nothing shows to be recognised."""
    assert {layout.name for layout in layouts()} - set(FILES) == {
        "Spotify's own names"
    }  # in the cases, api_tracks.jsonl


def test_no_name_means_two_fields() -> None:
    """Guards against a column that is one field in this file and another in that."""
    seen: dict[str, str] = {}
    for name in fields():
        for spelling in spellings(name):
            assert seen.setdefault(spelling, name) == name, spelling


@pytest.mark.parametrize(
    ("column", "unit"),
    [
        ("duration_ms", "ms"), ("Duration (ms)", "ms"), ("track_duration_s", "s"), ("Length (minutes)", "min"),
        ("duration", None), ("Length (Duration)", None),
    ],
)  # fmt: skip
def test_the_unit_in_a_columns_name(column: str, unit: str | None) -> None:
    """Guards against seconds under a name that says milliseconds, unseen."""
    found = recognise("songs.csv", [column], {})
    assert found.fields == {"duration_ms": column}
    assert found.units.get("duration_ms") == unit


def test_what_is_mapped_comes_first_whatever_the_case() -> None:
    """Guards against a --map that is read but not used, and a field or column that is not there."""
    found = recognise("songs.csv", ["Style", "genre"], {"genre": "style"})
    assert found.fields == {"genre": "Style"}
    with pytest.raises(SongFileError, match="songs.csv has no column 'mood'. It has: Style, genre"):
        recognise("songs.csv", ["Style", "genre"], {"genre": "mood"})
    with pytest.raises(SongFileError, match="there is no field 'style'"):
        recognise("songs.csv", ["Style", "genre"], {"style": "genre"})


def test_pairs_may_stand_in_one_text() -> None:
    """Guards against `make run MAP=…`, which gives all pairs in one text."""
    options = ReadingOptions.of_texts(
        ["genre=my style, song_name=title", "tempo=BPM (a=b)"], ["duration=s energy=percent"]
    )
    assert options.mapping == {"genre": "my style", "song_name": "title", "tempo": "BPM (a=b)"}
    assert options.units == {"duration": "s", "energy": "percent"}
    assert ReadingOptions.of_json(options.as_json()) == options
    for wrong in ("genre", "genre=", "=style"):
        with pytest.raises(SongFileError, match="--map takes field=column"):
            ReadingOptions.of_texts([wrong])
