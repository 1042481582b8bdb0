with compared as (
    select
        listing_id,
        min(listing_id) over (partition by spotify_track_id, song_name) as first_listing_id
    from {{ ref('int_listings_valid') }}
)

select
    listing_id,
    'same track id and name as listing ' || first_listing_id as reason
from compared
where listing_id > first_listing_id
