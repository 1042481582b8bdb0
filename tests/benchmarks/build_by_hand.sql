-- What a person would write instead of the dbt project: one file, no tests, no descriptions, no contracts.
-- It reads tracks.parquet and audio_features.parquet of the working directory, and does not ask whether a document names a
-- key twice. bench_build.py runs it and compares its tables with dbt's.
set threads = 2;

create table listings as
with tracks as (
    select
        listing_id, nullif(genre, '') as genre, artist_name, track_id as requested_track_id,
        try(from_json(payload, '{
            "id": "VARCHAR", "name": "VARCHAR", "popularity": "INTEGER", "explicit": "BOOLEAN", "disc_number": "INTEGER",
            "track_number": "INTEGER", "external_ids": {"isrc": "VARCHAR"}, "artists": [{"id": "VARCHAR", "name": "VARCHAR"}],
            "album": {
                "id": "VARCHAR", "name": "VARCHAR", "album_type": "VARCHAR", "total_tracks": "INTEGER",
                "release_date": "VARCHAR", "release_date_precision": "VARCHAR"
            }
        }')) as document
    from 'tracks.parquet'
),

audio_features as (
    select
        track_id,
        unnest(from_json(payload, '{
            "danceability": "DOUBLE", "energy": "DOUBLE", "key": "INTEGER", "loudness": "DOUBLE", "mode": "INTEGER",
            "speechiness": "DOUBLE", "acousticness": "DOUBLE", "instrumentalness": "DOUBLE", "liveness": "DOUBLE",
            "valence": "DOUBLE", "tempo": "DOUBLE", "duration_ms": "BIGINT", "time_signature": "INTEGER"
        }')),
        true as has_audio_features
    from 'audio_features.parquet'
    qualify row_number() over (partition by track_id order by extracted_at desc) = 1
)

select
    listing_id, genre, artist_name, document.id as spotify_track_id, document.name as song_name, document.popularity,
    document.artists, document.external_ids.isrc, document.explicit as is_explicit, document.disc_number,
    document.track_number, document.album.id as album_id, document.album.name as album_name, document.album.album_type,
    document.album.total_tracks, document.album.release_date_precision,
    case document.album.release_date_precision
        when 'year' then try_cast(document.album.release_date || '-01-01' as date)
        when 'month' then try_cast(document.album.release_date || '-01' as date)
        else try_cast(document.album.release_date as date)
    end as release_date,
    audio_features.* exclude (track_id)
from tracks
left join audio_features on tracks.requested_track_id = audio_features.track_id;

create table judged as
with first_look as (
    select
        *,
        case
            when spotify_track_id is null or spotify_track_id like 'spotify:local:%' or genre is null
                then 'unreadable_document'
            when has_audio_features is null then 'missing_audio_features'
            when (
                danceability between 0 and 1 and energy between 0 and 1 and key between -1 and 11
                and loudness between -60 and 10 and mode between 0 and 1 and speechiness between 0 and 1
                and acousticness between 0 and 1 and instrumentalness between 0 and 1 and liveness between 0 and 1
                and valence between 0 and 1 and tempo between 0 and 300 and duration_ms between 0 and 86400000
                and coalesce(time_signature, 0) between 0 and 7 and coalesce(popularity, 0) between 0 and 100
            ) is not true then 'invalid_audio_features'
            when tempo < 10 or time_signature < 1 then 'invalid_tempo_or_time_signature'
        end as rule
    from listings
),

compared as (
    select
        listing_id,
        min(listing_id) over (
            partition by
                danceability, energy, key, loudness, mode, speechiness, acousticness, instrumentalness, liveness, valence,
                tempo, duration_ms, time_signature, artist_name, song_name, genre, spotify_track_id, popularity
        ) as first_equal,
        min(listing_id) over (partition by spotify_track_id, song_name) as first_of_name,
        min(listing_id) over (partition by spotify_track_id) as first_of_track
    from first_look
    where rule is null
)

select
    first_look.* replace (
        case
            when first_look.rule is not null then first_look.rule
            when compared.first_equal < listing_id then 'exact_repeat'
            when compared.first_of_name < listing_id then 'track_repeat'
            when compared.first_of_track < listing_id then 'renamed_repeat'
        end as rule
    ),
    coalesce(
        'it was refused by the rule ' || first_look.rule,
        'it repeats listing ' || least(compared.first_equal, compared.first_of_name, compared.first_of_track)
    ) as reason
from first_look
left join compared using (listing_id);

create table clean_tracks as
select
    danceability, energy, key, loudness, mode, speechiness, acousticness, instrumentalness, liveness, valence, tempo,
    duration_ms, time_signature, artist_name, song_name, genre, spotify_track_id, popularity, listing_id
from judged
where rule is null;

create table rejected_listings as
select listing_id, spotify_track_id, song_name, artist_name, genre, rule, reason
from judged
where rule is not null;

create table track_details as
select
    spotify_track_id, isrc, is_explicit, album_id, album_name, disc_number, track_number, release_date,
    release_date_precision, year(release_date)::integer as release_year
from judged
where rule is null;

create table albums as
select
    album_id, arg_min_null(album_name, listing_id) as album_name, arg_min_null(album_type, listing_id) as album_type,
    arg_min_null(release_date, listing_id) as release_date, arg_min_null(total_tracks, listing_id) as total_tracks,
    count(*) as tracks, count(distinct genre) as genres
from judged
where rule is null and album_id is not null
group by album_id;

create table track_artists as
select spotify_track_id, genre, artist.id as artist_id, coalesce(artist.name, artist.id) as artist_name
from (
    select
        spotify_track_id, genre,
        unnest(case when len(artists) > 0 then artists else [{'id': null, 'name': artist_name}] end) as artist
    from judged
    where rule is null
)
where coalesce(artist.name, artist.id) is not null;

create table artists as
select
    coalesce(artist_id, artist_name) as artist_key, min(artist_name) as artist_name,
    count(distinct spotify_track_id) as tracks, count(distinct genre) as genres
from track_artists
group by artist_key;

create table genre_overlap as
with listed as (
    select distinct spotify_track_id, genre
    from judged
    where rule is null or rule in ('exact_repeat', 'track_repeat', 'renamed_repeat')
),

genres as (
    select genre, count(*) as tracks from listed group by genre
),

pairs as (
    select listed.genre, others.genre as other_genre, count(*) as tracks_in_both
    from listed
    inner join listed as others on listed.spotify_track_id = others.spotify_track_id and listed.genre < others.genre
    group by all
)

select
    pairs.*,
    pairs.tracks_in_both / (genres.tracks + other_genres.tracks - pairs.tracks_in_both) as jaccard
from pairs
inner join genres on pairs.genre = genres.genre
inner join genres as other_genres on pairs.other_genre = other_genres.genre;

create table genre_summary as
with artists_of_genres as (
    select genre, count(distinct coalesce(artist_id, artist_name)) as artists from track_artists group by genre
)

select
    genre, feature, count(*) as tracks, any_value(artists) as artists, avg(value) as mean, median(value) as median,
    stddev_samp(value) as standard_deviation
from clean_tracks
unpivot (value for feature in (
    danceability, energy, key, loudness, mode, speechiness, acousticness, instrumentalness, liveness, valence, tempo,
    duration_ms, time_signature, popularity
))
left join artists_of_genres using (genre)
group by genre, feature;
