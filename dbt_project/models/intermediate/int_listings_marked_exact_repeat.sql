-- One number is compared instead of eighteen columns. Should two different listings of a track ever share it, only the
-- rule's name would be wrong: the rules that follow reject the later one too.
with listings as (
    select
        *,
        {{ row_hash(study_columns()) }} as row_hash
    from {{ listings_before('exact_repeat') }}
),

-- A listing that an earlier rule rejected is a group of its own, so it repeats nothing and nothing repeats it.
compared as (
    select
        *,
        min(listing_id) over (
            partition by spotify_track_id, row_hash, case when rejected_by is not null then listing_id end
        ) as first_listing_id
    from listings
),

judged as (
    select
        *,
        case
            when listing_id > first_listing_id then 'equal in every column to listing ' || first_listing_id
        end as reason
    from compared
)

{{ mark_listings('judged', 'exact_repeat', helpers=['row_hash', 'first_listing_id']) }}
