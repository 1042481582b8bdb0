{{ config(materialized='table') }}

select
    feature,
    minimum,
    maximum,
    bins_from,
    bins_to,
    unit,
    description
from (
    values
    {% for name, number in track_numbers().items() %}
        (
            '{{ name }}', {{ number.minimum }}, {{ number.maximum }}, {{ number.bins_from }}, {{ number.bins_to }},
            {{ dbt.string_literal(dbt.escape_single_quotes(number.unit)) }},
            {{ dbt.string_literal(dbt.escape_single_quotes(number.description)) }}
        ){{ ',' if not loop.last }}
    {% endfor %}
) as listed (feature, minimum, maximum, bins_from, bins_to, unit, description)
