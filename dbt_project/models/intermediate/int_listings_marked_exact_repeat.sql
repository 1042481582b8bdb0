with listings as (
    select
        *,
        {{ first_listing_id(study_columns()) }} as first_listing_id
    from {{ ref('int_listings_marked_invalid_tempo_or_time_signature') }}
),

judged as (
    select
        {{ all_but(['first_listing_id']) }},
        case
            when first_listing_id < listing_id then 'equal in every column to listing ' || first_listing_id
        end as reason
    from listings
)

{{ mark_listings('judged', 'exact_repeat') }}
