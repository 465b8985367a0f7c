//! Every column of texts, in SQL.

use crate::db::{self, Engine, Tx, statements, values};

statements! {
    // Texts with eight digits in a row, in pages.
    DIGITS_AFTER = "select distinct place, said
                    from (
                          select 'apps.id' as place, id as said from apps
                          union all select 'apps.title', title from apps
                          union all select 'apps.phone_encoding', phone_encoding from apps
                          union all select 'apps.region', region from apps
                          union all select 'users.role', role from users
                          union all select 'api_keys.role', role from api_keys
                          union all select 'api_keys.app', app from api_keys
                          union all select 'api_keys.label', label from api_keys
                          union all select 'key_checks.domain', domain from key_checks
                          union all select 'key_fences.domain', domain from key_fences
                          union all select 'key_nodes.domain', domain from key_nodes
                          union all select 'ledger_heads.log', log from ledger_heads
                          union all select 'ledger_entries.log', log from ledger_entries
                          union all select 'ledger_nodes.log', log from ledger_nodes
                          union all select 'ledger_checkpoints.log', log from ledger_checkpoints
                          union all select 'ledger_shards.log', log from ledger_shards
                          union all select 'ledger_cosignatures.log', log from ledger_cosignatures
                          union all select 'ledger_cosignatures.witness', witness from ledger_cosignatures
                          union all select 'accounts.app', app from accounts
                          union all select 'accounts.language', language from accounts
                          union all select 'accounts.country', country from accounts
                          union all select 'accounts.time_zone', time_zone from accounts
                          union all select 'accounts.age_band', age_band from accounts
                          union all select 'account_references.app', app from account_references
                          union all select 'suppressions.app', app from suppressions
                          union all select 'restrictions.reason', reason from restrictions
                          union all select 'restrictions.asked_by', asked_by from restrictions
                          union all select 'subject_requests.app', app from subject_requests
                          union all select 'subject_requests.kind', kind from subject_requests
                          union all select 'subject_requests.law', law from subject_requests
                          union all select 'subject_requests.asked_by', asked_by from subject_requests
                          union all select 'subject_requests.state', state from subject_requests
                          union all select 'subject_requests.outcome', outcome from subject_requests
                          union all select 'subject_requests.extension', extension from subject_requests
                          union all select 'subject_request_accounts.app', app from subject_request_accounts
                          union all select 'readings.role', role from readings
                          union all select 'readings.what', what from readings
                          union all select 'assessments.purpose', purpose from assessments
                          union all select 'notices.id', id from notices
                          union all select 'notices.language', language from notices
                          union all select 'grants.app', app from grants
                          union all select 'grants.purpose', purpose from grants
                          union all select 'grants.peer', peer from grants
                          union all select 'grants.state', state from grants
                          union all select 'grants.notice', notice from grants
                          union all select 'grants.language', language from grants
                          union all select 'link_tokens.peer', peer from link_tokens
                          union all select 'link_tokens.app', app from link_tokens
                          union all select 'profiles.app', app from profiles
                          union all select 'signal_refusals.app', app from signal_refusals
                          union all select 'signal_refusals.code', code from signal_refusals
                          union all select 'exposures.app', app from exposures
                          union all select 'exposures.arm', arm from exposures
                          union all select 'outcomes.kind', kind from outcomes
                          union all select 'models.goal', goal from models
                          union all select 'campaigns.delivery_app', delivery_app from campaigns
                          union all select 'campaigns.language', language from campaigns
                          union all select 'campaigns.topics', topics from campaigns
                          union all select 'campaigns.goal', goal from campaigns
                          union all select 'lists.filter', filter from lists
                          union all select 'lists.state', state from lists
                          union all select 'lists.reason', reason from lists
                          union all select 'lists.waterfall', waterfall from lists
                          union all select 'lists.ranking', ranking from lists
                          union all select 'lists.forecast', forecast from lists
                          union all select 'lists.model', model from lists
                          union all select 'scores.arm', arm from scores
                          union all select 'scores.model', model from scores
                          union all select 'models.cleared_reason', cleared_reason from models
                          union all select 'list_rows.reasons', reasons from list_rows
                          union all select 'list_loans.peer', peer from list_loans
                          union all select 'list_stops.kind', kind from list_stops
                          union all select 'recipient_stops.kind', kind from recipient_stops
                          union all select 'bots.languages', languages from bots
                          union all select 'bot_documents.kind', kind from bot_documents
                          union all select 'bot_documents.language', language from bot_documents
                          union all select 'bot_versions.languages', languages from bot_versions
                          union all select 'bot_passages.kind', kind from bot_passages
                          union all select 'bot_passages.language', language from bot_passages
                          union all select 'conversations.language', language from conversations
                          union all select 'conversations.state', state from conversations
                          union all select 'conversation_messages.author', author from conversation_messages
                          union all select 'conversation_messages.kind', kind from conversation_messages
                          union all select 'jobs.kind', kind from jobs
                          union all select 'jobs.payload', payload from jobs
                          union all select 'jobs.state', state from jobs
                          union all select 'jobs.error', error from jobs
                          union all select 'counters.name', name from counters
                          union all select 'privacy_links.app', app from privacy_links
                          union all select 'import_runs.pass', pass from import_runs
                          union all select 'audit_runs.report', report from audit_runs
                    ) texts
                    where said glob '*[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]*' and (place, said) > ($1, $2)
                    order by place, said limit $3"
        | postgres "select distinct place, said
                    from (
                          select 'apps.id' as place, id as said from apps
                          union all select 'apps.title', title from apps
                          union all select 'apps.phone_encoding', phone_encoding from apps
                          union all select 'apps.region', region from apps
                          union all select 'users.role', role from users
                          union all select 'api_keys.role', role from api_keys
                          union all select 'api_keys.app', app from api_keys
                          union all select 'api_keys.label', label from api_keys
                          union all select 'key_checks.domain', domain from key_checks
                          union all select 'key_fences.domain', domain from key_fences
                          union all select 'key_nodes.domain', domain from key_nodes
                          union all select 'ledger_heads.log', log from ledger_heads
                          union all select 'ledger_entries.log', log from ledger_entries
                          union all select 'ledger_nodes.log', log from ledger_nodes
                          union all select 'ledger_checkpoints.log', log from ledger_checkpoints
                          union all select 'ledger_shards.log', log from ledger_shards
                          union all select 'ledger_cosignatures.log', log from ledger_cosignatures
                          union all select 'ledger_cosignatures.witness', witness from ledger_cosignatures
                          union all select 'accounts.app', app from accounts
                          union all select 'accounts.language', language from accounts
                          union all select 'accounts.country', country from accounts
                          union all select 'accounts.time_zone', time_zone from accounts
                          union all select 'accounts.age_band', age_band from accounts
                          union all select 'account_references.app', app from account_references
                          union all select 'suppressions.app', app from suppressions
                          union all select 'restrictions.reason', reason from restrictions
                          union all select 'restrictions.asked_by', asked_by from restrictions
                          union all select 'subject_requests.app', app from subject_requests
                          union all select 'subject_requests.kind', kind from subject_requests
                          union all select 'subject_requests.law', law from subject_requests
                          union all select 'subject_requests.asked_by', asked_by from subject_requests
                          union all select 'subject_requests.state', state from subject_requests
                          union all select 'subject_requests.outcome', outcome from subject_requests
                          union all select 'subject_requests.extension', extension from subject_requests
                          union all select 'subject_request_accounts.app', app from subject_request_accounts
                          union all select 'readings.role', role from readings
                          union all select 'readings.what', what from readings
                          union all select 'assessments.purpose', purpose from assessments
                          union all select 'notices.id', id from notices
                          union all select 'notices.language', language from notices
                          union all select 'grants.app', app from grants
                          union all select 'grants.purpose', purpose from grants
                          union all select 'grants.peer', peer from grants
                          union all select 'grants.state', state from grants
                          union all select 'grants.notice', notice from grants
                          union all select 'grants.language', language from grants
                          union all select 'link_tokens.peer', peer from link_tokens
                          union all select 'link_tokens.app', app from link_tokens
                          union all select 'profiles.app', app from profiles
                          union all select 'signal_refusals.app', app from signal_refusals
                          union all select 'signal_refusals.code', code from signal_refusals
                          union all select 'exposures.app', app from exposures
                          union all select 'exposures.arm', arm from exposures
                          union all select 'outcomes.kind', kind from outcomes
                          union all select 'models.goal', goal from models
                          union all select 'campaigns.delivery_app', delivery_app from campaigns
                          union all select 'campaigns.language', language from campaigns
                          union all select 'campaigns.topics', topics from campaigns
                          union all select 'campaigns.goal', goal from campaigns
                          union all select 'lists.filter', filter from lists
                          union all select 'lists.state', state from lists
                          union all select 'lists.reason', reason from lists
                          union all select 'lists.waterfall', waterfall from lists
                          union all select 'lists.ranking', ranking from lists
                          union all select 'lists.forecast', forecast from lists
                          union all select 'lists.model', model from lists
                          union all select 'scores.arm', arm from scores
                          union all select 'scores.model', model from scores
                          union all select 'models.cleared_reason', cleared_reason from models
                          union all select 'list_rows.reasons', reasons from list_rows
                          union all select 'list_loans.peer', peer from list_loans
                          union all select 'list_stops.kind', kind from list_stops
                          union all select 'recipient_stops.kind', kind from recipient_stops
                          union all select 'bots.languages', languages from bots
                          union all select 'bot_documents.kind', kind from bot_documents
                          union all select 'bot_documents.language', language from bot_documents
                          union all select 'bot_versions.languages', languages from bot_versions
                          union all select 'bot_passages.kind', kind from bot_passages
                          union all select 'bot_passages.language', language from bot_passages
                          union all select 'conversations.language', language from conversations
                          union all select 'conversations.state', state from conversations
                          union all select 'conversation_messages.author', author from conversation_messages
                          union all select 'conversation_messages.kind', kind from conversation_messages
                          union all select 'jobs.kind', kind from jobs
                          union all select 'jobs.payload', payload from jobs
                          union all select 'jobs.state', state from jobs
                          union all select 'jobs.error', error from jobs
                          union all select 'counters.name', name from counters
                          union all select 'privacy_links.app', app from privacy_links
                          union all select 'import_runs.pass', pass from import_runs
                          union all select 'audit_runs.report', report from audit_runs
                    ) texts
                    where said ~ '[0-9]{8}' and (place, said) > ($1, $2)
                    order by place, said limit $3";
}

/// The columns that [`digits_after`] looks at, as `table.column`.
pub(super) fn watched_columns(engine: Engine) -> Vec<String> {
    let quoted = DIGITS_AFTER.text(engine).split('\'').skip(1).step_by(2);
    quoted.filter(|place| place.contains('.')).map(str::to_owned).collect()
}

/// Up to `limit` texts with eight digits in a row, with their columns, behind `after`.
pub(super) async fn digits_after(
    tx: &mut Tx,
    after: &(String, String),
    limit: u32,
) -> db::Result<Vec<(String, String)>> {
    let rows = tx.fetch(DIGITS_AFTER, values![&after.0, &after.1, limit]).await?;
    rows.iter().map(|row| Ok((row.get("place")?, row.get("said")?))).collect()
}
