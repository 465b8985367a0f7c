//! SQL of apps, businesses, users, keys, sessions and links.

crate::db::statements! {
    ADD_APP = "insert into apps (id, title, phone_encoding, region, created_at)
               values ($1, $2, $3, $4, $5)";
    APP = "select id, title, phone_encoding, region, created_at from apps where id = $1";
    APPS = "select id, title, phone_encoding, region, created_at from apps
            where id > $1 order by id limit $2";

    ADD_BUSINESS = "insert into businesses (id, name, created_at) values ($1, $2, $3)";
    BUSINESS = "select id, name, created_at from businesses where id = $1";
    BUSINESSES = "select id, name, created_at from businesses where id > $1 order by id limit $2";

    ADD_USER = "insert into users (id, email, password, role, business, created_at)
                values ($1, $2, $3, $4, $5, $6)";
    USER_BY_EMAIL = "select id, password from users where email = $1 and disabled_at is null";
    USERS = "select id, email, role, business, created_at, disabled_at from users
             where id > $1 order by id limit $2";
    USER = "select id, email, role, business, created_at, disabled_at from users where id = $1";
    COUNT_USERS = "select count(*) as n from users where role = $1 and disabled_at is null";
    DISABLE_USER = "update users set disabled_at = $2 where id = $1 and disabled_at is null";

    ADD_KEY = "insert into api_keys (id, role, app, business, label, secret_hash, created_at)
               values ($1, $2, $3, $4, $5, $6, $7)";
    KEY = "select role, app, business, secret_hash, last_used_day, revoked_at
           from api_keys where id = $1";
    KEYS = "select id, role, app, business, label, created_at, last_used_day, revoked_at
            from api_keys
            where id > $1
              and (cast($2 as text) is null or app = $2)
              and ($3 = 0 or business = $4)
            order by id limit $5";
    REVOKE_KEY = "update api_keys set revoked_at = $2
                  where id = $1 and revoked_at is null
                    and (cast($3 as text) is null or app = $3)
                    and ($4 = 0 or business = $5)";
    KEY_USED = "update api_keys set last_used_day = $2 where id = $1";

    ADD_SESSION = "insert into sessions (token_hash, user_id, created_at, seen_at)
                   values ($1, $2, $3, $3)";
    SESSION = "select s.user_id, s.created_at, s.seen_at, u.email, u.role, u.business
               from sessions s join users u on u.id = s.user_id
               where s.token_hash = $1 and s.ended_at is null and u.disabled_at is null";
    SEE_SESSION = "update sessions set seen_at = $2 where token_hash = $1";
    END_SESSION = "update sessions set ended_at = $2 where token_hash = $1 and ended_at is null";
    END_SESSIONS = "update sessions set ended_at = $2 where user_id = $1 and ended_at is null";
    FORGET_SESSIONS = "delete from sessions where created_at < $1";

    ADD_LINK = "insert into sign_in_links (token_hash, user_id, created_at, expires_at)
                values ($1, $2, $3, $4)";
    USE_LINK = "update sign_in_links set used_at = $2
                where token_hash = $1 and used_at is null and expires_at > $2";
    FORGET_SIGN_IN_LINKS = "delete from sign_in_links where expires_at <= $1";
    LINK_USER = "select l.user_id from sign_in_links l join users u on u.id = l.user_id
                 where l.token_hash = $1 and u.disabled_at is null";

    KEY_CHECKS = "select domain, version, value from key_checks order by domain, version";
    ADD_KEY_CHECK = "insert into key_checks (domain, version, value) values ($1, $2, $3)";
}
