with clean_tracks as (
    select * from {{ ref('clean_tracks') }}
),

listings as (
    select * from {{ ref('int_listings_joined') }}
)

select
    clean_tracks.spotify_track_id,
    listings.isrc,
    listings.genre_tags,
    listings.is_explicit,
    listings.album_id,
    listings.album_name,
    listings.disc_number,
    listings.track_number,
    listings.release_date,
    listings.release_date_precision,
    cast(year(listings.release_date) as integer) as release_year,
    clean_tracks.dataset,
    clean_tracks.is_synthetic
from clean_tracks
inner join listings on clean_tracks.listing_id = listings.listing_id
