-- One number is compared instead of eighteen columns. Should two different listings of a track ever share it, nothing
-- but the rule's name is wrong: the rules that follow take the later one too.
with listings as (
    select
        *,
        {{ row_hash(study_columns()) }} as row_hash
    from {{ ref('int_listings_marked_invalid_tempo_or_time_signature') }}
),

{{ mark_repeats(
    'listings', ['spotify_track_id', 'row_hash'], 'exact_repeat', 'equal in every column to', helpers=['row_hash']
) }}
