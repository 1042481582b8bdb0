{{ config(materialized='ephemeral') }}

{% for name, number in track_numbers().items() %}
    select
        '{{ name }}' as feature,
        {{ number.bins_from }} as bins_from,
        {{ number.bins_to }} as bins_to
    {{ 'union all' if not loop.last }}
{% endfor %}
