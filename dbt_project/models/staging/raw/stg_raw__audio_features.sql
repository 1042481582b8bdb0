with source as (
    select documents.*
    from {{ source('raw', 'audio_features') }} as documents
    inner join {{ ref('stg_raw__datasets') }} as active on documents.dataset = active.dataset
),

parsed as (
    select
        *,
        {{ parse_json_object('payload', audio_features() | list) }} as document
    from source
),

renamed as (
    select
        dataset,
        source,
        track_id as requested_track_id,
        listing_id,
        payload is null or {{ trimmed('payload') }} = 'null' as is_empty_slot,
        {% for name, feature in audio_features().items() %}
            {{ to_number('document.' ~ name, feature.type) }} as {{ name }},
        {% endfor %}
        case
            when document is null then 'the audio-features document is not a JSON object that names each key once'
            else nullif(concat_ws(
                '; ',
                {% for name, feature in audio_features().items() %}
                    {{ not_a_number(name, 'document.' ~ name, feature.type) }}{{ ',' if not loop.last }}
                {% endfor %}
            ), '')
        end as problems,
        batch_id,
        extracted_at
    from parsed
)

select * from renamed
