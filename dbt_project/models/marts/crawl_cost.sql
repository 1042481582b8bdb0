with requests as (
    select * from {{ ref('stg_raw__requests') }}
)

select
    requests.source,
    requests.endpoint,
    requests.status,
    -- raw.requests has one row per attempt, numbered by `attempts`: a question counts once, at its first attempt.
    count(*) filter (where requests.attempts = 1) as requests,
    count(*) as attempts,
    count(*) filter (where requests.attempts > 1) as retries,
    sum(requests.waited_seconds) as waited_seconds,
    sum(requests.elapsed_seconds) as elapsed_seconds,
    min(requests.requested_at) as first_requested_at,
    max(requests.requested_at) as last_requested_at,
    requests.dataset,
    requests.is_synthetic
from requests
group by requests.source, requests.endpoint, requests.status, requests.dataset, requests.is_synthetic
