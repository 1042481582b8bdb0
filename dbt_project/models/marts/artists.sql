with credits as (
    select
        coalesce(track_artists.artist_id, track_artists.artist_name) as artist_key,
        track_artists.artist_id,
        track_artists.artist_name,
        clean_tracks.spotify_track_id,
        clean_tracks.genre,
        clean_tracks.dataset,
        clean_tracks.is_synthetic
    from {{ ref('track_artists') }} as track_artists
    inner join {{ ref('clean_tracks') }} as clean_tracks
        on track_artists.spotify_track_id = clean_tracks.spotify_track_id
),

counted as (
    select
        artist_key,
        min(artist_id) as artist_id,
        min(artist_name) as artist_name,
        count(distinct spotify_track_id) as tracks,
        count(distinct genre) as genres,
        dataset,
        is_synthetic
    from credits
    group by artist_key, dataset, is_synthetic
)

select
    counted.artist_key,
    counted.artist_id,
    coalesce(documents.artist_name, counted.artist_name) as artist_name,
    documents.followers,
    documents.popularity,
    documents.spotify_genres,
    counted.tracks,
    counted.genres,
    counted.dataset,
    counted.is_synthetic
from counted
left join {{ ref('int_artists_latest') }} as documents on counted.artist_id = documents.artist_id
