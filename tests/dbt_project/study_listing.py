"""A made-up listing of the study's proportions, of any size: for the parity test and the benchmarks.

Belongs here: the listing, its landing as a dump or as a crawl.
Not here: its cleaning, assertions and clocks.
"""

from typing import Literal, NamedTuple

import duckdb
import pandas as pd

from warehouse.features import AUDIO_FEATURES
from warehouse.raw import Dataset, land

STUDY_COLUMNS = [*AUDIO_FEATURES, "artist_name", "song_name", "genre", "spotify_track_id", "popularity"]

Form = Literal["dump", "crawl"]


class Counts(NamedTuple):
    """Rows that are left: the listings, then those after the zero rule, exact repeats and repeats of (id, name)."""

    listings: int
    after_zeros: int
    after_exact: int
    clean: int


STUDY = Counts(916_668, 916_214, 737_842, 550_295)

# What looks random is decided by a track's number alone: every run gives the same listing, and a view can make it.
_MACROS = r"""
create or replace temp macro pick(i, what, n) as (hash(i, what) % n::ubigint)::bigint;
create or replace temp macro dice(i, what) as pick(i, what, 1000000007) / 1000000007;
create or replace temp macro made_up_id(kind, i) as left(md5(kind || ' ' || i), 22);
create or replace temp macro made_up_name(i) as
    translate(left(md5('name ' || i), 9), '0123456789abcdef', 'abcd éßø雪Ж🎵"\,;''') || ' ' || i;
"""

# The first tracks are the zero rows. In the study 454 had a time signature of 0, and 444 of these a tempo below 10 too.
_COLUMNS = """
round(dice(track, 'danceability'), 4) as danceability,
round(dice(track, 'energy'), 4) as energy,
pick(track, 'key', 12)::integer as key,
round(-60 + 65 * dice(track, 'loudness'), 3) as loudness,
pick(track, 'mode', 2)::integer as mode,
round(dice(track, 'speechiness'), 4) as speechiness,
round(dice(track, 'acousticness'), 4) as acousticness,
dice(track, 'instrumentalness') ** 20 as instrumentalness, -- so small that it is written with an exponent
round(dice(track, 'liveness'), 4) as liveness,
round(dice(track, 'valence'), 4) as valence,
case
    when track >= {zeros} or track % 45 = 44 then round(10 + 240 * dice(track, 'tempo'), 3)
    when track % 2 = 0 then 9.999
    else 0
end as tempo,
4053 + pick(track, 'duration_ms', 5672384) as duration_ms,
case when track >= {zeros} then [1, 3, 4, 5, null][1 + pick(track, 'time_signature', 5)] else 0 end as time_signature,
case when pick(track, 'artist', {artists}) > 2 then 'Artist ' || pick(track, 'artist', {artists}) end as artist_name,
case
    when dice(track, 'has no name') < 0.002 then null
    when dice(track, 'has another''s name') < 0.1687 then made_up_name(pick(track, 'whose name', 200))
    else made_up_name(track)
end as song_name,
'Genre ' || pick(track, 'genre', 132) as genre,
made_up_id('track', track) as spotify_track_id,
case when dice(track, 'popularity is known') < 0.25 then pick(track, 'popularity', 96) end::integer as popularity
"""

# A repeat differs from its track in one column: NULL against a number is such a difference too. An exact repeat repeats
# any of both. 7919 is a prime: so no track is repeated twice.
_LISTING = f"""
create or replace temp table study_places as
with distinct_rows as (
    select i as place, i as track, null as differs_in
    from range({{tracks}}) as numbers(i)
    union all
    select {{tracks}} + i, {{zeros}} + i * 7919 % {{clean}}, ['genre', 'artist_name', 'popularity'][1 + i % 3]
    from range({{repeats}}) as numbers(i)
),

places as (
    from distinct_rows
    union all
    select {{tracks}} + {{repeats}} + i, distinct_rows.track, distinct_rows.differs_in
    from range({{exact}}) as numbers(i)
    inner join distinct_rows on distinct_rows.place = {{zeros}} + pick(i, 'repeated', {{clean}} + {{repeats}})
)

select row_number() over (order by hash(place, 'download order')) as listing_id, track, differs_in
from places
order by listing_id;

create or replace temp view study_tracks as
select track, {_COLUMNS} from (select range as track from range({{tracks}}));

create or replace temp view listing as
select listing_id, {", ".join(STUDY_COLUMNS)}
from (
    select * replace (
        case when differs_in = 'genre' then 'Genre ' || (genre[7:]::integer + 1) % 132 else genre end as genre,
        case when differs_in = 'artist_name' then 'The Other Artist' else artist_name end as artist_name,
        case
            when differs_in is distinct from 'popularity' then popularity when popularity is null then 96
        end as popularity
    )
    from (select listing_id, differs_in, {_COLUMNS} from study_places)
)
"""

# As the Web API gives them: a track about 1.6 kB, audio features about 0.5 kB.
_DOCUMENTS = r"""
create or replace temp macro reference(kind, id) as {
    'external_urls': {'spotify': 'https://open.spotify.com/' || kind || '/' || id},
    'href': 'https://api.spotify.com/v1/' || kind || 's/' || id, 'id': id, 'type': kind,
    'uri': 'spotify:' || kind || ':' || id
};
create or replace temp macro credit(name) as
    case
        when name is null then [] else [struct_insert(reference('artist', made_up_id('artist', name)), name := name)]
    end;
create or replace temp macro image(id, side) as
    {'height': side, 'url': 'https://i.scdn.co/image/' || side || md5(id), 'width': side};
create or replace temp macro album(id, name, artist) as struct_insert(
    reference('album', id), album_type := 'album', artists := credit(artist),
    available_markets := ['AR', 'AU', 'BR', 'DE', 'DK', 'ES', 'FR', 'GB', 'IT', 'JP', 'MX', 'NL', 'NZ', 'SE', 'US'],
    images := [image(id, 640), image(id, 300), image(id, 64)], name := 'The album of ' || name,
    release_date := (date '1958-01-01' + pick(id, 'release date', 24000)::integer)::varchar,
    release_date_precision := 'day', total_tracks := 1 + pick(id, 'tracks', 20)
);
create or replace temp macro track_document(id, name, artist, duration, popular) as to_json(struct_insert(
    reference('track', id), album := album(made_up_id('album', id), name, artist), artists := credit(artist),
    disc_number := 1, duration_ms := duration, explicit := false, external_ids := {'isrc': 'XXS' || left(md5(id), 9)},
    is_local := false, is_playable := true, name := name, popularity := popular, preview_url := null,
    track_number := 1 + pick(id, 'number', 20)
))::varchar;
"""
_AUDIO_FEATURES_DOCUMENT = f"""to_json({{
    {", ".join(f"'{name}': {name}" for name in AUDIO_FEATURES)}, 'type': 'audio_features', 'id': spotify_track_id,
    'uri': 'spotify:track:' || spotify_track_id,
    'track_href': 'https://api.spotify.com/v1/tracks/' || spotify_track_id,
    'analysis_url': 'https://api.spotify.com/v1/audio-analysis/' || spotify_track_id
}})::varchar"""


def make_listing(connection: duckdb.DuckDBPyConnection, listings: int) -> Counts:
    """Make the temporary views listing and study_tracks; returns the counts that they are made to have.

    `listing` has one row per listing, in download order (listing_id, `STUDY_COLUMNS`); study_tracks one per track id.
    132 genres; zero rows, exact repeats, repeats of (id, name); popularity missing in three of four; names that are
    missing, not Latin, or equal under other ids.
    """
    counts = Counts(*(round(listings * count / STUDY.listings) for count in STUDY))
    zeros = counts.listings - counts.after_zeros
    tracks = counts.clean + zeros
    connection.execute(_MACROS)
    connection.execute(
        _LISTING.format(
            zeros=zeros, clean=counts.clean, tracks=tracks, artists=tracks // 8,
            repeats=counts.after_exact - counts.clean, exact=counts.after_zeros - counts.after_exact,
        )
    )  # fmt: skip
    return counts


def study_frame(connection: duckdb.DuckDBPyConnection, relation: str) -> pd.DataFrame:
    """`STUDY_COLUMNS` of a relation in download order, as pandas has them: numbers that may miss are floats.

    The index is the place in the listing, counted from 0.
    """
    floats = "time_signature::double as time_signature, popularity::double as popularity"
    query = f"select listing_id - 1 as place, {', '.join(STUDY_COLUMNS)} from {relation} order by listing_id"
    return connection.sql(f"select * replace ({floats}) from ({query})").df().set_index("place")


def land_listing(connection: duckdb.DuckDBPyConnection, form: Form, *, shuffled: bool = False) -> None:
    """Land the listing as documents: a dump has features of each listing, a crawl of each track.

    `shuffled`: the rows of each raw table stand in an order that means nothing; else in download order.
    """
    connection.execute(_DOCUMENTS)
    tracks = connection.sql(
        f"""
        select listing_id, genre, artist_name, spotify_track_id as track_id,
            track_document(spotify_track_id, song_name, artist_name, duration_ms, popularity) as payload
        from listing {"order by hash(listing_id)" if shuffled else ""}
        """
    )
    keys, source, key = (
        ("listing_id, ", "listing", "listing_id + 1") if form == "dump" else ("", "study_tracks", "track")
    )
    audio_features = connection.sql(
        f"""
        select {keys}spotify_track_id as track_id, {_AUDIO_FEATURES_DOCUMENT} as payload
        from {source} {f"order by hash({key})" if shuffled else ""}
        """
    )
    dataset = Dataset("study", "dump:study" if form == "dump" else "sandbox", is_synthetic=True)
    land(connection, dataset, {"tracks": tracks, "audio_features": audio_features})
