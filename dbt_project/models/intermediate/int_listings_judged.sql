{{ config(materialized='table') }}

with listings as (
    select * from {{ ref('int_listings_marked_renamed_repeat') }}
)

-- Narrow: the marts join it to int_listings_joined, so that no wide row goes through the rules' windows.
select
    listing_id,
    rejected_by,
    rejection_detail
from listings
