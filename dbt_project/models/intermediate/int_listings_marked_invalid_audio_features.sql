{%- set features = (audio_features() | list) + ['popularity'] -%}
{%- set may_be_unknown = ['time_signature', 'popularity'] -%}

with listings as (
    select * from {{ ref('int_listings_marked_missing_audio_features') }}
),

ranges as (
    select
        {% for feature in features %}
            max(case when feature = '{{ feature }}' then minimum end) as {{ feature }}_minimum,
            max(case when feature = '{{ feature }}' then maximum end) as {{ feature }}_maximum,
        {% endfor %}
        count(*) as number_of_ranges
    from {{ ref('audio_feature_ranges') }}
),

-- Whether there is anything to say comes first: to put sentences together for every listing would take twice as long.
judged as (
    select
        listings.*,
        case
            when
                listings.problems is not null
                {% for feature in features %}
                    {{ 'or listings.' ~ feature ~ ' is null' if feature not in may_be_unknown }}
                    or listings.{{ feature }} not between ranges.{{ feature }}_minimum and ranges.{{ feature }}_maximum
                {% endfor %}
                then concat_ws(
                    '; ',
                    {% for feature in features %}
                        {% if feature not in may_be_unknown %}
                            case
                                when listings.{{ feature }} is null and listings.problems is null
                                    then '{{ feature }} is missing'
                            end,
                        {% endif %}
                        case
                            when
                                listings.{{ feature }} not between
                                ranges.{{ feature }}_minimum and ranges.{{ feature }}_maximum
                                then
                                    '{{ feature }} is '
                                    || {{ number_as_text('listings.' ~ feature, audio_features().get(feature)) }}
                                    || ', not from ' || ranges.{{ feature }}_minimum
                                    || ' to ' || ranges.{{ feature }}_maximum
                        end,
                    {% endfor %}
                    listings.problems
                )
        end as reason
    from listings
    cross join ranges
)

{{ mark_listings('judged', 'invalid_audio_features') }}
