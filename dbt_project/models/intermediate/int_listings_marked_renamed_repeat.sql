with listings as (
    select
        *,
        {{ first_listing_id(['spotify_track_id']) }} as first_listing_id
    from {{ ref('int_listings_marked_track_repeat') }}
),

judged as (
    select
        {{ all_but(['first_listing_id']) }},
        case
            when first_listing_id < listing_id then 'same track id as listing ' || first_listing_id
        end as reason
    from listings
)

{{ mark_listings('judged', 'renamed_repeat') }}
