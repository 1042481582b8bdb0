{{ config(materialized='table') }}

with listings as (
    select * from {{ ref('int_listings_joined') }}
),

-- Several rules may reject a listing: it is charged to the first.
rejected as (
    select * from {{ ref('int_rejections') }}
    qualify row_number() over (partition by listing_id order by step) = 1
)

-- Only these columns: the marts join them to int_listings_joined, which holds all else.
select
    listings.listing_id,
    rejected.rule as rejected_by,
    rejected.reason as rejection_detail
from listings
left join rejected on listings.listing_id = rejected.listing_id
