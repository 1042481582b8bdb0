with listings as (
    select * from {{ listings_before('track_repeat') }}
),

-- A listing that an earlier rule rejected is a group of its own, so it repeats nothing and nothing repeats it.
compared as (
    select
        *,
        min(listing_id) over (
            partition by spotify_track_id, song_name, case when rejected_by is not null then listing_id end
        ) as first_listing_id
    from listings
),

judged as (
    select
        *,
        case
            when listing_id > first_listing_id then 'same track id and name as listing ' || first_listing_id
        end as reason
    from compared
)

{{ mark_listings('judged', 'track_repeat', helpers=['first_listing_id']) }}
