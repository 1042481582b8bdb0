{% macro spark__quantile(column, share) -%}percentile({{ column }}, {{ share }}){%- endmacro %}


{% macro spark__sorted_list(column) -%}array_join(array_sort(collect_list({{ column }})), ', '){%- endmacro %}


{% macro spark__joined_list(column) -%}nullif(array_join(array_sort({{ column }}), ', '), ''){%- endmacro %}


{#- Spark's hash skips NULLs, so that (1, NULL) and (NULL, 1) would be equal: whether a column is NULL is hashed too. -#}
{% macro spark__row_hash(columns) -%}
    xxhash64({% for column in columns %}{{ column }}, {{ column }} is null{{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}


{#- Spark's trim removes the plain space only. -#}
{% macro spark__trimmed(text) -%}regexp_replace({{ text }}, r'^\p{Zs}+|\p{Zs}+$', ''){%- endmacro %}


{% macro spark__posexplode(column, position, element) -%}
    inline(transform({{ column }}, (item, place) -> struct(place + 1, item))) as ({{ position }}, {{ element }})
{%- endmacro %}
