-- One number is compared instead of eighteen columns. Should two different listings of a track ever share it, only the
-- rule's name would be wrong: the rules that follow reject the later one too.
with hashed as (
    select
        listing_id,
        spotify_track_id,
        {{ row_hash(study_columns()) }} as row_hash
    from {{ ref('int_listings_valid') }}
),

compared as (
    select
        listing_id,
        min(listing_id) over (partition by spotify_track_id, row_hash) as first_listing_id
    from hashed
)

select
    listing_id,
    'equal in every column to listing ' || first_listing_id as reason
from compared
where listing_id > first_listing_id
