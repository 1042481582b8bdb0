with listings as (
    select * from {{ ref('int_listings_joined') }}
),

invalid as (
    {% for rule, about in var('cleaning_rules').items() if not about.is_repeat %}
        select listing_id from {{ ref('int_rejected_' ~ rule) }}
        {{ 'union all' if not loop.last }}
    {% endfor %}
)

select
    {% for column in study_columns() %}
        {{ column }},
    {% endfor %}
    listing_id
from listings
where
    not exists (
        select 1
        from invalid
        where invalid.listing_id = listings.listing_id
    )
