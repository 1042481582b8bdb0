with listings as (
    select * from {{ listings_before('invalid_tempo_or_time_signature') }}
),

-- An unknown time signature is NULL, which is not below 1.
judged as (
    select
        *,
        nullif(concat_ws(
            '; ',
            case when tempo < 10 then 'tempo is ' || {{ number_as_text('tempo', 'double') }} || ' bpm, below 10' end,
            case when time_signature < 1 then 'time_signature is ' || time_signature || ', below 1' end
        ), '') as reason
    from listings
)

{{ mark_listings('judged', 'invalid_tempo_or_time_signature') }}
