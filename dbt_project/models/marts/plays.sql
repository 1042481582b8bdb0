with plays as (
    select * from {{ ref('stg_raw__plays') }}
),

listings as (
    select * from {{ ref('int_listings_joined') }}
),

clean_tracks as (
    select * from {{ ref('clean_tracks') }}
)

select
    listings.spotify_track_id,
    plays.month,
    cast(sum(plays.plays) as bigint) as plays,
    sum(plays.seconds) / cast(60 as double) as minutes,
    count(clean_tracks.spotify_track_id) > 0 as is_clean,
    plays.dataset,
    plays.is_synthetic
from plays
inner join listings on plays.listing_id = listings.listing_id
left join clean_tracks on listings.spotify_track_id = clean_tracks.spotify_track_id
where listings.spotify_track_id is not null
group by listings.spotify_track_id, plays.month, plays.dataset, plays.is_synthetic
