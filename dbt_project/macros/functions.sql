{#- What SQL engines call by different names: DuckDB's here, Spark's in spark/functions.sql. -#}

{#- The exact quantile, interpolated between the two nearest values. -#}
{% macro quantile(column, share) %}{{ return(adapter.dispatch('quantile')(column, share)) }}{% endmacro %}

{% macro duckdb__quantile(column, share) -%}quantile_cont({{ column }}, {{ share }}){%- endmacro %}


{#- The texts of a group, sorted and joined by commas. -#}
{% macro sorted_list(column) %}{{ return(adapter.dispatch('sorted_list')(column)) }}{% endmacro %}

{% macro duckdb__sorted_list(column) -%}string_agg({{ column }}, ', ' order by {{ column }}){%- endmacro %}


{#- The texts of a list column, sorted and joined by commas; NULL where it is empty. -#}
{% macro joined_list(column) %}{{ return(adapter.dispatch('joined_list')(column)) }}{% endmacro %}

{% macro duckdb__joined_list(column) -%}nullif(array_to_string(list_sort({{ column }}), ', '), ''){%- endmacro %}


{#- A 64-bit number that is the same in rows that are equal in `columns`, where NULL equals NULL. -#}
{% macro row_hash(columns) %}{{ return(adapter.dispatch('row_hash')(columns)) }}{% endmacro %}

{% macro duckdb__row_hash(columns) -%}hash({{ columns | join(', ') }}){%- endmacro %}


{#- Text without the spaces (of any alphabet) around it. -#}
{% macro trimmed(text) %}{{ return(adapter.dispatch('trimmed')(text)) }}{% endmacro %}

{% macro duckdb__trimmed(text) -%}trim({{ text }}){%- endmacro %}


{#- Text that has a character other than a space; else NULL. -#}
{% macro unless_blank(text) -%}case when {{ trimmed(text) }} <> '' then {{ text }} end{%- endmacro %}


{#- In a select list: one row per element of the list `column`, with its position, which begins at 1. -#}
{% macro posexplode(column, position, element) %}
    {{ return(adapter.dispatch('posexplode')(column, position, element)) }}
{% endmacro %}

{% macro duckdb__posexplode(column, position, element) -%}
    generate_subscripts({{ column }}, 1) as {{ position }},
        unnest({{ column }}) as {{ element }}
{%- endmacro %}
