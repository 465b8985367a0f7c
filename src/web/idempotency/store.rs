//! SQL of answers kept for repeated requests.

crate::db::statements! {
    ANSWER = "select fingerprint, status, wrapped, answer, created_at
              from idempotency_keys where id = $1";
    KEEP = "insert into idempotency_keys (id, fingerprint, status, wrapped, answer, created_at)
            values {rows}";
    FORGET_ONE = "delete from idempotency_keys where id = $1 and created_at < $2";
    FORGET = "delete from idempotency_keys where created_at < $1";
}
