with listings as (
    select * from {{ ref('int_listings_marked_exact_repeat') }}
),

{{ mark_repeats('listings', ['spotify_track_id', 'song_name'], 'track_repeat', 'same track id and name as') }}
