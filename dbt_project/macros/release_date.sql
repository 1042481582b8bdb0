{#-
    The release date that text tells, as far as it tells one: 1994, 1994-05 and 1994-05-31 (a time after it is left out) are
    that year, month and day, and 1994.0, as pandas and Excel write a year in a column with gaps, is that year; other text
    is ''. `precision`: what the document itself says, which may be coarser.
-#}
{% macro release_date_text(text, precision) -%}
    left(
        regexp_extract({{ text }}, '^([0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?)([T ].*|[.]0+)?$', 1),
        case {{ precision }} when 'year' then 4 when 'month' then 7 else 10 end
    )
{%- endmacro %}


{#-
    The first day of what release_date_text has found. NULL where the calendar has no such day, before 1860, when sound was
    first recorded, and after 2100: Spotify writes 0000 for what it does not know.
-#}
{% macro first_day(release_date_text) -%}
    {%- set day = 'try_cast(' ~ release_date_text ~ " || right('-01-01', 10 - length(" ~ release_date_text ~ ')) as date)' -%}
    case when {{ day }} between date '1860-01-01' and date '2100-12-31' then {{ day }} end
{%- endmacro %}


{#- How much of that day is known: year, month or day. NULL where first_day is. -#}
{% macro precision_of_day(release_date_text) -%}
    case
        when {{ first_day(release_date_text) }} is not null
            then case length({{ release_date_text }}) when 4 then 'year' when 7 then 'month' else 'day' end
    end
{%- endmacro %}
