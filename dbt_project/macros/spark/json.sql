{#-
    Spark's from_json is less strict than DuckDB's: it ignores what follows a document, accepts single quotes, and gives a
    struct for text that is not JSON. So the document is read as text, as the first of two elements of a list: if the
    second element is found, the document ends where it should. An object is then read from that text; any other JSON is
    an object without keys, as it is for DuckDB. The lambdas give names to what was read, so that it is read only once.
-#}
{% macro spark__parse_json_object(payload, fields, objects, lists) -%}
    {%- set keys = fields + (objects | list) + (lists | list) -%}
    {%- set shape = keys | join(' string, ') ~ ' string' -%}
    transform(
        transform(array(from_json('[' || {{ payload }} || ',"the end"]', 'array<string>', map('allowSingleQuotes', 'false'))), elements -> case
            when elements[1] = 'the end' and size(elements) = 2 and not {{ has_lone_surrogate(payload) }} then transform(
                array(named_struct(
                    'text', elements[0],
                    'keys', filter(json_object_keys(elements[0]), key -> key in ('{{ keys | join("', '") }}'))
                )),
                document -> case
                    when {{ payload }} not rlike r'^\s*\{' then from_json(if(document.text is null, null, '{}'), '{{ shape }}')
                    when size(document.keys) = size(array_distinct(document.keys)) then from_json(document.text, '{{ shape }}')
                end
            )[0]
        end),
        found -> if(found is null, null, named_struct(
            {%- for field in fields %}
            '{{ field }}', {{ json_number_as_duckdb_writes_it('found.' ~ field) }}{{ ',' if not loop.last or objects or lists }}
            {%- endfor %}
            {%- for field, inner in objects.items() %}
            '{{ field }}', named_struct(
                {%- for name in inner %}
                '{{ name }}', {{ json_number_as_duckdb_writes_it("get_json_object(found." ~ field ~ ", '$." ~ name ~ "')") }}{{ ',' if not loop.last }}
                {%- endfor %}
            ){{ ',' if not loop.last or lists }}
            {%- endfor %}
            {%- for field, inner in lists.items() %}
            {%- if inner %}
            '{{ field }}', transform(from_json(found.{{ field }}, 'array<string>'), item -> named_struct(
                {%- for name in inner %}
                '{{ name }}', get_json_object(item, '$.{{ name }}'){{ ',' if not loop.last }}
                {%- endfor %}
            )){{ ',' if not loop.last }}
            {%- else %}
            '{{ field }}', from_json(found.{{ field }}, 'array<string>'){{ ',' if not loop.last }}
            {%- endif %}
            {%- endfor %}
        ))
    )[0]
{%- endmacro %}


{#- Half of a character that JSON writes as two escapes, such as \ud83d alone. It is not text, and DuckDB refuses it. -#}
{% macro has_lone_surrogate(payload) -%}
    (
        contains({{ payload }}, r'\u')
        and replace({{ payload }}, r'\\', '')
        rlike r'\\u[dD][89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F]'
    )
{%- endmacro %}

{#- Java writes 1.0E-5 where DuckDB writes 1e-05. -#}
{% macro json_number_as_duckdb_writes_it(text) -%}
    case
        when {{ text }} rlike r'^-?[0-9]\.[0-9]+E-?[0-9]+$' then {{ number_as_text('cast(' ~ text ~ ' as double)', 'double') }}
        else {{ text }}
    end
{%- endmacro %}


{#- Spark reads 1f, 1d and 0x1p3 as numbers, as Java does. -#}
{% macro spark__to_double(text) -%}
    try_cast(
        case
            when {{ text }} rlike r'(?i)^\s*[+-]?([0-9]+\.?[0-9]*(e[+-]?[0-9]+)?|\.[0-9]+(e[+-]?[0-9]+)?|inf|infinity|nan)\s*$'
                then {{ text }}
        end as double
    )
{%- endmacro %}


{#- Java writes exponents differently, and uses them below 0.001 and from 10,000,000. Its digits are the shortest, like DuckDB's. -#}
{% macro spark__double_as_text(number) -%}
    case
        when isnan({{ number }}) then 'nan'
        when abs({{ number }}) = double('infinity') then if({{ number }} > 0, 'inf', '-inf')
        when {{ number }} = 0 then cast({{ number }} as string)
        when abs({{ number }}) >= 0.0001 and abs({{ number }}) < 1e16
            then regexp_replace(cast(cast({{ number }} as decimal(38, 21)) as string), r'(\.[0-9]+?)0+$', '$1')
        else regexp_replace(split(cast({{ number }} as string), 'E')[0], r'\.0$', '') || 'e'
            || format_string('%+03d', cast(split(cast({{ number }} as string), 'E')[1] as int))
    end
{%- endmacro %}
