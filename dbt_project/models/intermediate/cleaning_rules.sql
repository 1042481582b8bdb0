{{ config(materialized='table') }}

-- Step 0 is no rule: it is where cleaning_audit begins.
select
    step,
    rule,
    description
from (
    values
    (0, 'listings', 'Every listing of the dataset, in download order')
    {% for rule, description in var('cleaning_rules').items() %}
        , ({{ loop.index }}, '{{ rule }}', {{ dbt.string_literal(dbt.escape_single_quotes(description)) }})
    {% endfor %}
) as listed (step, rule, description)
