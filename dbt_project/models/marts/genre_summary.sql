with measured as (
    {{ features_of_tracks(track_numbers() | list) }}
),

artists as (
    select
        clean_tracks.genre,
        count(distinct coalesce(track_artists.artist_id, track_artists.artist_name)) as artists
    from {{ ref('clean_tracks') }} as clean_tracks
    inner join {{ ref('track_artists') }} as track_artists
        on clean_tracks.spotify_track_id = track_artists.spotify_track_id
    group by clean_tracks.genre
),

summarized as (
    select
        genre,
        feature,
        count(*) as tracks,
        avg(value) as mean,
        median(value) as median,
        stddev_samp(value) as standard_deviation,
        dataset,
        is_synthetic
    from measured
    where genre is not null
    group by genre, feature, dataset, is_synthetic
)

select
    summarized.genre,
    summarized.feature,
    summarized.tracks,
    coalesce(artists.artists, 0) as artists,
    summarized.mean,
    summarized.median,
    summarized.standard_deviation,
    summarized.dataset,
    summarized.is_synthetic
from summarized
left join artists on summarized.genre = artists.genre
