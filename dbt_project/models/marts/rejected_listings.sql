with listings as (
    select * from {{ ref('int_listings_joined') }}
),

judged as (
    select * from {{ ref('int_listings_judged') }}
    where rejected_by is not null
)

select
    listings.listing_id,
    coalesce(listings.spotify_track_id, listings.requested_track_id) as spotify_track_id,
    listings.song_name,
    listings.artist_name,
    listings.genre,
    judged.rejected_by as rule,
    upper(left(judged.rejection_detail, 1)) || substring(judged.rejection_detail, 2) || '.' as reason,
    listings.dataset,
    listings.is_synthetic
from listings
inner join judged on listings.listing_id = judged.listing_id
