with listings as (
    select * from {{ ref('int_listings_marked_track_repeat') }}
),

{{ mark_repeats('listings', ['spotify_track_id'], 'renamed_repeat', 'same track id as') }}
