{%- set may_be_unknown = ['time_signature', 'popularity'] -%}

with listings as (
    select * from {{ listings_before('invalid_audio_features') }}
),

-- Whether there is anything to say comes first: composing the sentences for every listing would take twice as long.
judged as (
    select
        *,
        case
            when
                problems is not null
                {% for name, number in track_numbers().items() %}
                    {{ 'or ' ~ name ~ ' is null' if name not in may_be_unknown }}
                    or {{ name }} not between {{ number.minimum }} and {{ number.maximum }}
                {% endfor %}
                then concat_ws(
                    '; ',
                    {% for name, number in track_numbers().items() %}
                        {% if name not in may_be_unknown %}
                            case when {{ name }} is null and problems is null then '{{ name }} is missing' end,
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
)

{{ mark_listings('judged', 'invalid_audio_features') }}
