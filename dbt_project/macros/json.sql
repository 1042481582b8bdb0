{#-
    A JSON object as a struct of text, or NULL where the text is no JSON or a key that we read stands in it twice
    (which of the two is meant?). A value of an unexpected shape is its text where text is asked for, else NULL.

    `fields`: keys read as text. `lists`: keys read as a list of objects, each with the fields to read.

    With the variable `documents_are_parsed` (`song-genres clean`, which writes no JSON) the struct is taken from a second
    column, `<payload>_parsed`, where it is not NULL.
-#}
{% macro parse_json_object(payload, fields, lists={}) %}
    {%- set parsed = adapter.dispatch('parse_json_object')(payload, fields, lists) -%}
    {{ return('coalesce(' ~ payload ~ '_parsed, ' ~ parsed ~ ')' if var('documents_are_parsed', false) else parsed) }}
{% endmacro %}

{% macro duckdb__parse_json_object(payload, fields, lists) -%}
    {%- set shape = {} -%}
    {%- for field in fields -%}{%- do shape.update({field: 'VARCHAR'}) -%}{%- endfor -%}
    {%- for field, inner in lists.items() -%}
        {%- set item = {} -%}
        {%- for name in inner -%}{%- do item.update({name: 'VARCHAR'}) -%}{%- endfor -%}
        {%- do shape.update({field: [item]}) -%}
    {%- endfor -%}
    {%- set twice = [] -%}
    {%- for field in shape -%}{%- do twice.append('"' ~ field ~ '",(.*,)?"' ~ field ~ '"') -%}{%- endfor -%}
    {#- One regular expression over the keys, written as JSON, in which a quotation mark inside a key is escaped: a third of
        the time of counting the distinct ones (DuckDB 2.0). Each `try` stands directly around what can fail. -#}
    case
        when not regexp_matches(cast(to_json(try(json_keys({{ payload }}))) as varchar), '[[,]({{ twice | join("|") }})')
            then try(from_json({{ payload }}, '{{ tojson(shape) }}'))
    end
{%- endmacro %}


{#- Text as a number of the given type, or NULL where it is none: 4.0 is the whole number 4, 4.5 is none. -#}
{% macro to_number(text, type) -%}
    {%- set number = adapter.dispatch('to_double')(text) -%}
    {%- if type == 'double' -%}
        {{ number }}
    {%- else -%}
        try_cast(case when {{ number }} = floor({{ number }}) then {{ number }} end as {{ type }})
    {%- endif -%}
{%- endmacro %}


{#- DuckDB reads 1_000 as a number; JSON and CSV do not. -#}
{% macro duckdb__to_double(text) -%}
    try_cast(case when not contains({{ text }}, '_') then {{ text }} end as double)
{%- endmacro %}


{#- A number as a sentence shows it: 9.5, 0.0, 1e-05, 1e+16, inf, nan. `type`: double, or else a whole number. -#}
{% macro number_as_text(number, type) %}
    {{- return(adapter.dispatch('double_as_text')(number) if type == 'double' else number) -}}
{% endmacro %}

{% macro duckdb__double_as_text(number) -%}{{ number }}{%- endmacro %}


{#- Text where a number belongs, as the clause of a sentence that names column and text; NULL where there is nothing to say. -#}
{% macro not_a_number(name, text, type) -%}
    case
        when {{ text }} is not null and {{ to_number(text, type) }} is null
            then '{{ name }} is "' || left({{ text }}, 40) || '", not a {{ "" if type == "double" else "whole " }}number'
    end
{%- endmacro %}
