-- An unknown time signature is NULL, which is not below 1.
select
    listing_id,
    concat_ws(
        '; ',
        case when tempo < 10 then 'tempo is ' || {{ number_as_text('tempo', 'double') }} || ' bpm, below 10' end,
        case when time_signature < 1 then 'time_signature is ' || time_signature || ', below 1' end
    ) as reason
from {{ ref('int_listings_joined') }}
where tempo < 10 or time_signature < 1
