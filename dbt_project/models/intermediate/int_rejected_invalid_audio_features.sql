{%- set may_be_unknown = ['time_signature', 'popularity'] -%}

with listings as (
    select * from {{ ref('int_listings_joined') }}
),

-- Who answers for listed songs may not know how long they are (ReccoBeats); nothing is learnt from these.
-- A feature that no listing of the dataset has is unknown, and not missing: its source does not give it.
known as (
    select
        {% for name in track_numbers() %}
            {{ 'count(' ~ name ~ ') > 0 as has_' ~ name ~ (',' if not loop.last else '') }}
        {% endfor %}
    from listings
)

select
    listings.listing_id,
    concat_ws(
        '; ',
        {% for name, number in track_numbers().items() %}
            {% if name not in may_be_unknown %}
                case
                    when
                        known.has_{{ name }} and listings.{{ name }} is null and listings.problems is null
                        {{ 'and listings.is_labelled' if name == 'duration_ms' }}
                        then '{{ name }} is missing'
                end,
            {% endif %}
            case
                when listings.{{ name }} not between {{ number.minimum }} and {{ number.maximum }}
                    then
                        '{{ name }} is ' || {{ number_as_text('listings.' ~ name, number.type) }}
                        || ', not from {{ number.minimum }} to {{ number.maximum }}'
            end,
        {% endfor %}
        listings.problems
    ) as reason
from listings
cross join known
where
    listings.problems is not null
    {% for name, number in track_numbers().items() %}
        {{ 'or known.has_' ~ name ~ ' and listings.' ~ name ~ ' is null' if name not in may_be_unknown }}
        {{ 'and listings.is_labelled' if name == 'duration_ms' }}
        or listings.{{ name }} not between {{ number.minimum }} and {{ number.maximum }}
    {% endfor %}
