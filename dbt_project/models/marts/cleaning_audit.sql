with rules as (
    select * from {{ ref('int_cleaning_rules') }}
),

datasets as (
    select * from {{ ref('stg_raw__datasets') }}
),

-- The clean ones too, which no rule rejected.
judged as (
    select
        rejected_by,
        count(*) as listings
    from {{ ref('int_listings_judged') }}
    group by rejected_by
),

total as (
    select coalesce(sum(listings), 0) as listings from judged
),

counted as (
    select
        rules.step,
        rules.rule,
        rules.description,
        total.listings - sum(coalesce(judged.listings, 0)) over (order by rules.step) as rows_after,
        coalesce(judged.listings, 0) as rows_removed
    from rules
    cross join total
    left join judged on rules.rule = judged.rejected_by
)

select
    counted.step,
    counted.rule,
    counted.description,
    cast(counted.rows_after + counted.rows_removed as bigint) as rows_before,
    cast(counted.rows_removed as bigint) as rows_removed,
    cast(counted.rows_after as bigint) as rows_after,
    datasets.dataset,
    datasets.is_synthetic
from counted
cross join datasets
