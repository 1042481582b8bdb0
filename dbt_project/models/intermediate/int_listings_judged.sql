{{ config(materialized='table') }}

with listings as (
    select * from {{ listings_after_all_rules() }}
)

-- Only these columns: the marts join them to int_listings_joined, so that the rules' windows need not carry wide rows.
select
    listing_id,
    rejected_by,
    rejection_detail
from listings
