with listed as (
    select
        spotify_track_id,
        genre,
        dataset,
        is_synthetic
    from {{ ref('track_genres') }}
),

genres as (
    select
        genre,
        count(*) as tracks
    from listed
    group by genre
),

pairs as (
    select
        listed.genre,
        others.genre as other_genre,
        count(*) as tracks_in_both,
        listed.dataset,
        listed.is_synthetic
    from listed
    inner join listed as others on listed.spotify_track_id = others.spotify_track_id and listed.genre < others.genre
    group by listed.genre, others.genre, listed.dataset, listed.is_synthetic
)

select
    pairs.genre,
    pairs.other_genre,
    pairs.tracks_in_both,
    genres.tracks as tracks_in_genre,
    other_genres.tracks as tracks_in_other_genre,
    pairs.tracks_in_both / cast(genres.tracks + other_genres.tracks - pairs.tracks_in_both as double) as jaccard,
    pairs.dataset,
    pairs.is_synthetic
from pairs
inner join genres on pairs.genre = genres.genre
inner join genres as other_genres on pairs.other_genre = other_genres.genre
