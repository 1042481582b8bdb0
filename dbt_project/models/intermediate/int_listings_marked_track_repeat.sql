with listings as (
    select
        *,
        {{ first_listing_id(['spotify_track_id', 'song_name']) }} as first_listing_id
    from {{ ref('int_listings_marked_exact_repeat') }}
),

judged as (
    select
        {{ all_but(['first_listing_id']) }},
        case
            when first_listing_id < listing_id then 'same track id and name as listing ' || first_listing_id
        end as reason
    from listings
)

{{ mark_listings('judged', 'track_repeat') }}
