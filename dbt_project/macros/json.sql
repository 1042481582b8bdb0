{#-
    A JSON object as a struct of text. NULL where the text is not JSON, or where a key that we read occurs twice, since
    nobody can say which of the two is meant. Where text is wanted and the value is an object or a list, its JSON text is
    given; where an object or a list is wanted and the value is none, NULL.

    `fields`: the keys to read as text. `objects`: the keys to read as objects, each with the fields to read. `lists`: the
    keys to read as lists of objects, each with the fields to read, or as lists of text where it names none.
-#}
{% macro parse_json_object(payload, fields, objects={}, lists={}) %}
    {{ return(adapter.dispatch('parse_json_object')(payload, fields, objects, lists)) }}
{% endmacro %}

{% macro duckdb__parse_json_object(payload, fields, objects, lists) -%}
    {%- set shape = dict.fromkeys(fields, 'VARCHAR') -%}
    {%- for field, inner in objects.items() -%}{%- do shape.update({field: dict.fromkeys(inner, 'VARCHAR')}) -%}{%- endfor -%}
    {%- for field, inner in lists.items() -%}
        {%- do shape.update({field: [dict.fromkeys(inner, 'VARCHAR') if inner else 'VARCHAR']}) -%}
    {%- endfor -%}
    {%- set twice = [] -%}
    {%- for field in shape -%}{%- do twice.append('"' ~ field ~ '",(.*,)?"' ~ field ~ '"') -%}{%- endfor -%}
    {#- A key that occurs twice is found by one regular expression over the list of keys as JSON, where a quotation mark inside
        a key is escaped. That takes a third of the time of counting distinct keys (DuckDB 2.0). Each `try` stands directly
        around what can fail. -#}
    case
        when not regexp_matches(cast(to_json(try(json_keys({{ payload }}))) as varchar), '[[,]({{ twice | join("|") }})')
            then try(from_json({{ payload }}, '{{ tojson(shape) }}'))
    end
{%- endmacro %}


{#- Text as a number of the given type, or NULL where it is not one: 4.0 is the whole number 4, 4.5 is not a whole number. -#}
{% macro to_number(text, type) -%}
    {%- set number = adapter.dispatch('to_double')(text) -%}
    {%- if type == 'double' -%}
        {{ number }}
    {%- else -%}
        try_cast(case when {{ number }} % 1 = 0 then {{ number }} end as {{ type }})
    {%- endif -%}
{%- endmacro %}


{#- Text as a whole number from `minimum` to `maximum`; else NULL. For what describes and decides nothing. -#}
{% macro whole_number(text, minimum, maximum=2147483647) -%}
    case when {{ to_number(text, 'integer') }} between {{ minimum }} and {{ maximum }} then {{ to_number(text, 'integer') }} end
{%- endmacro %}


{#- DuckDB would read 1_000 as a number, which it is not in JSON and CSV. -#}
{% macro duckdb__to_double(text) -%}
    try_cast(case when not contains({{ text }}, '_') then {{ text }} end as double)
{%- endmacro %}


{#- A number as the reason of a rejection shows it: 9.5, 0.0, 1e-05, 1e+16, inf, nan. -#}
{% macro number_as_text(number, type) %}
    {{- return(adapter.dispatch('double_as_text')(number) if type == 'double' else number) -}}
{% endmacro %}

{% macro duckdb__double_as_text(number) -%}{{ number }}{%- endmacro %}


{#- What is wrong with text where a number belongs, as a clause that names the column and the text; NULL where nothing is. -#}
{% macro not_a_number(name, text, type) -%}
    case
        when {{ text }} is not null and {{ to_number(text, type) }} is null
            then '{{ name }} is "' || left({{ text }}, 40) || '", not a {{ "" if type == "double" else "whole " }}number'
    end
{%- endmacro %}
