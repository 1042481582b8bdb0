{% for rule in var('cleaning_rules') %}
    select
        listing_id,
        {{ loop.index }} as step,
        '{{ rule }}' as rule,
        reason
    from {{ ref('int_rejected_' ~ rule) }}
    {{ 'union all' if not loop.last }}
{% endfor %}
