{{ config(materialized='ephemeral') }}

-- Step 0 is no rule: it is where cleaning_audit begins.
select
    0 as step,
    'listings' as rule,
    'Every listing of the dataset' as description
{% for rule, about in var('cleaning_rules').items() %}
    union all
    select
        {{ loop.index }} as step,
        '{{ rule }}' as rule,
        {{ dbt.string_literal(dbt.escape_single_quotes(about.rejects)) }} as description
{% endfor %}
