{%- set required = track_numbers() | list | reject('in', ['time_signature', 'popularity']) | list -%}

with listings as (
    select * from {{ listings_before('invalid_audio_features') }}
),

-- A feature that no listing of the dataset has is unknown, and not missing: its source does not give it.
known as (
    select
        {% for name in required %}
            count({{ name }}) > 0 as has_{{ name }}{{ ',' if not loop.last }}
        {% endfor %}
    from listings
),

-- Whether there is anything to say comes first: composing the sentences for every listing would take twice as long.
judged as (
    select
        listings.*,
        case
            when
                problems is not null
                {% for name, number in track_numbers().items() %}
                    {{ 'or has_' ~ name ~ ' and ' ~ name ~ ' is null' if name in required }}
                    or {{ name }} not between {{ number.minimum }} and {{ number.maximum }}
                {% endfor %}
                then concat_ws(
                    '; ',
                    {% for name, number in track_numbers().items() %}
                        {% if name in required %}
                            case when has_{{ name }} and {{ name }} is null and problems is null then '{{ name }} is missing' end,
                        {% endif %}
                        case
                            when {{ name }} not between {{ number.minimum }} and {{ number.maximum }}
                                then
                                    '{{ name }} is ' || {{ number_as_text(name, number.type) }}
                                    || ', not from {{ number.minimum }} to {{ number.maximum }}'
                        end,
                    {% endfor %}
                    problems
                )
        end as reason
    from listings
    cross join known
)

{{ mark_listings('judged', 'invalid_audio_features') }}
