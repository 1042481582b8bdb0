with genres as (
    select
        genre,
        count(*) as tracks
    from {{ ref('track_genres') }}
    group by genre
),

listed as (
    select
        track_genres.spotify_track_id,
        track_genres.genre,
        genres.tracks,
        track_genres.dataset,
        track_genres.is_synthetic
    from {{ ref('track_genres') }} as track_genres
    inner join genres on track_genres.genre = genres.genre
)

select
    listed.genre,
    others.genre as other_genre,
    count(*) as tracks_in_both,
    listed.tracks as tracks_in_genre,
    others.tracks as tracks_in_other_genre,
    count(*) / cast(listed.tracks + others.tracks - count(*) as double) as jaccard,
    listed.dataset,
    listed.is_synthetic
from listed
inner join listed as others on listed.spotify_track_id = others.spotify_track_id and listed.genre < others.genre
group by listed.genre, others.genre, listed.tracks, others.tracks, listed.dataset, listed.is_synthetic
