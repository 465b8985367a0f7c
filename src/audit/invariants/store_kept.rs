//! What is there longer than it may be: SQL. Each statement answers `n`, the number of all, with examples
//! where they are of accounts, and nothing when there are none.

use crate::db::statements;

statements! {
    LATE_GRANTS = "select subject, count(*) over () as n from grants
                   where state = 'given' and expires_at <= $1
                   order by subject limit 20";
    LATE_SCORES = "select s.subject, count(*) over () as n from lists l
                   join scores s on s.business = l.business and s.list = l.id
                   where l.rows_removed_at is null and l.expires_at <= $1
                   order by s.subject limit 20";
    LATE_ROWS = "select r.subject, count(*) over () as n from lists l
                 join list_rows r on r.business = l.business and r.list = l.id
                 where l.expires_at <= $1
                 order by r.subject limit 20";
    LATE_PRIVACY_LINKS = "select subject, count(*) over () as n from privacy_links
                          where expires_at <= $1 order by subject limit 20";
    LATE_OPENINGS = "select subject, count(*) over () as n from openings
                     where expires_at < $1 order by subject limit 20";
    LATE_TAGS = "select count(*) as n from signal_tags
                 where seen < $1 having count(*) > 0";
    LATE_REFUSALS = "select count(*) as n from signal_refusals
                     where day < $1 having count(*) > 0";
    LATE_SESSIONS = "select count(*) as n from sessions
                     where created_at < $1 having count(*) > 0";
    LATE_SIGN_IN_LINKS = "select count(*) as n from sign_in_links
                          where expires_at <= $1 having count(*) > 0";
    LATE_ANSWERS = "select count(*) as n from idempotency_keys
                    where created_at < $1 having count(*) > 0";
    LATE_CONVERSATIONS = "select count(*) as n from conversations
                          where window_start < $1 and created_at < $1 having count(*) > 0";
    LATE_JOBS = "select count(*) as n from jobs
                 where state in ('done', 'failed') and run_at < $1 and finished_at < $1
                 having count(*) > 0";
    LATE_REQUESTS = "select count(*) as n from subject_requests
                     where closed_at < $1 having count(*) > 0";
    LATE_RECALLS = "select count(*) as n from recalls
                    where raised_at < $1 having count(*) > 0";
    LATE_RUNS = "select count(*) as n from audit_runs where at < $1 having count(*) > 0";
}
