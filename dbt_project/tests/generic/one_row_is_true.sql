{#- The column is true in exactly one row. -#}
{% test one_row_is_true(model, column_name) %}
    select count(*) as true_rows
    from {{ model }}
    where {{ column_name }}
    having count(*) <> 1
{% endtest %}
