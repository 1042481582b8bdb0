{{ config(meta={'dagster': {'ref': {'name': 'cleaning_audit'}}}) }}
-- Each rule begins with what the one before it left, and the last leaves the clean tracks.
with audit as (
    select
        rule,
        rows_before,
        rows_removed,
        rows_after,
        lag(rows_after, 1, rows_before) over (order by step) as rows_left_before,
        lead(rows_before, 1, (select count(*) from {{ ref('clean_tracks') }})) over (order by step) as rows_wanted_after
    from {{ ref('cleaning_audit') }}
)

select *
from audit
where
    rows_before <> rows_left_before
    or rows_after <> rows_wanted_after
    or rows_before - rows_removed <> rows_after
