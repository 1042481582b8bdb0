with tracks as (
    select
        listings.album_id,
        listings.album_name,
        listings.album_type,
        listings.album_total_tracks,
        listings.release_date,
        listings.release_date_precision,
        clean_tracks.listing_id,
        clean_tracks.genre,
        clean_tracks.dataset,
        clean_tracks.is_synthetic
    from {{ ref('clean_tracks') }} as clean_tracks
    inner join {{ ref('int_listings_joined') }} as listings on clean_tracks.listing_id = listings.listing_id
    where listings.album_id is not null
),

counted as (
    select
        album_id,
        min(listing_id) as first_listing_id,
        count(*) as tracks,
        count(distinct genre) as genres
    from tracks
    group by album_id
)

-- The documents of an album's tracks were not all given at one time, and may differ: that of the first listing counts.
select
    counted.album_id,
    tracks.album_name,
    tracks.album_type,
    tracks.release_date,
    tracks.release_date_precision,
    cast(year(tracks.release_date) as integer) as release_year,
    tracks.album_total_tracks as total_tracks,
    counted.tracks,
    counted.genres,
    tracks.dataset,
    tracks.is_synthetic
from counted
inner join tracks on counted.first_listing_id = tracks.listing_id
