{{ config(meta={'dagster': {'ref': {'name': 'rejected_listings'}}}) }}
-- Nothing is dropped silently: each landed listing is either a clean track or a rejected listing, and nothing else is.
with outcomes as (
    select
        listing_id,
        1 as landed,
        0 as judged
    from {{ ref('stg_raw__tracks') }}
    union all
    select
        listing_id,
        0 as landed,
        1 as judged
    from {{ ref('clean_tracks') }}
    union all
    select
        listing_id,
        0 as landed,
        1 as judged
    from {{ ref('rejected_listings') }}
)

select
    listing_id,
    sum(landed) as times_landed,
    sum(judged) as times_judged
from outcomes
group by listing_id
having sum(landed) <> 1 or sum(judged) <> 1
