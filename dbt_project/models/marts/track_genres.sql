with listings as (
    select
        spotify_track_id,
        genre
    from {{ ref('int_listings_valid') }}
    where genre is not null
),

counted as (
    select
        spotify_track_id,
        genre,
        count(*) as listings
    from listings
    group by spotify_track_id, genre
)

select
    counted.spotify_track_id,
    counted.genre,
    counted.listings,
    counted.genre = clean_tracks.genre as is_kept,
    clean_tracks.dataset,
    clean_tracks.is_synthetic
from counted
inner join {{ ref('clean_tracks') }} as clean_tracks on counted.spotify_track_id = clean_tracks.spotify_track_id
