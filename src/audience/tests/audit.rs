//! A replay confirms what is so and denies what was changed.

use std::time::Duration;

use volens_privacy::PurposeKind;
use volens_privacy::consent::Decision;

use super::town::{SHOP, Town, name, phone, same};
use crate::audience::replay::{Replay, replay};
use crate::audience::request::List;
use crate::clock::Clock as _;
use crate::db::testing::on_both;
use crate::db::{Statement, values};

/// The triggers that keep the database from being changed, for somebody who owns the file.
const UNLOCK: [Statement; 5] = [
    Statement::new(
        "audience::tests",
        "UNLOCK_ROWS",
        "drop trigger list_rows_are_written_once",
        "drop trigger list_rows_are_written_once on list_rows",
    ),
    Statement::new(
        "audience::tests",
        "UNLOCK_LEAVES",
        "drop trigger list_leaves_are_written_once",
        "drop trigger list_leaves_are_written_once on list_leaves",
    ),
    Statement::new(
        "audience::tests",
        "UNLOCK_GRANTS",
        "drop trigger grants_end_once",
        "drop trigger grants_end_once on grants",
    ),
    Statement::new(
        "audience::tests",
        "UNLOCK_LEDGER",
        "drop trigger ledger_entries_no_update",
        "drop trigger ledger_entries_append_only on ledger_entries",
    ),
    Statement::new(
        "audience::tests",
        "UNLOCK_CHECKPOINTS",
        "drop trigger ledger_checkpoints_no_update",
        "drop trigger ledger_checkpoints_append_only on ledger_checkpoints",
    ),
];

async fn replayed(town: &Town, list: &List) -> Replay {
    let now = town.world.clock.now();
    let mut tx = town.world.db.read().await.expect("begins");
    replay(&mut tx, &town.world.keys, SHOP, list.id, now, &|_, _| {}).await.expect("replays")
}

fn codes(found: &Replay) -> Vec<&'static str> {
    found.denied.iter().map(|denial| denial.code).collect()
}

#[tokio::test]
async fn a_list_is_confirmed_and_still_is_after_withdrawals() {
    on_both(|db| async move {
        let town = Town::new(db, 60, 6).await;
        let list = town.list(town.request(20)).await.expect("built");
        let found = replayed(&town, &list).await;
        assert_eq!(codes(&found), [""; 0]);
        assert_eq!((found.rows_sealed, found.rows_confirmed, found.rows_gone), (20, 20, 0));
        let rows = town.rows(&list).await.expect("served").rows;
        let best = (0..60)
            .find(|n| town.world.keys.recipient(SHOP, town.people[*n]) == rows[0].recipient)
            .expect("the best row is somebody's");
        let purpose = PurposeKind::BusinessMessages;
        town.world.withdraw("messenger", &name(best), purpose, None).await.expect("ends");
        let found = replayed(&town, &list).await;
        assert_eq!(codes(&found), [""; 0]);
        assert_eq!((found.rows_sealed, found.rows_confirmed, found.rows_gone), (20, 19, 1));
        town.world.give("messenger", &name(best), purpose).await;
        let found = replayed(&town, &list).await;
        assert_eq!(found.rows_gone, 1, "a new consent does not bring the row back");

        let next = (0..60)
            .find(|n| town.world.keys.recipient(SHOP, town.people[*n]) == rows[1].recipient)
            .expect("the second row is somebody's");
        let no = town.world.choice(&name(next), purpose, None, Decision::Refused, None);
        town.world.decide("messenger", no).await.expect("taken");
        let found = replayed(&town, &list).await;
        assert_eq!((codes(&found), found.rows_gone), (vec![], 2), "saying no ends it too");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_renews_while_the_list_is_built_is_on_it_by_the_consent_before() {
    on_both(|db| async move {
        let town = Town::new(db, 60, 12).await;
        let purposes = [PurposeKind::BusinessMessages, PurposeKind::Relevance];
        let renew = async |_| {
            town.world.clock.advance(Duration::from_mins(2));
            for n in 1..10 {
                for purpose in purposes {
                    town.world.give("messenger", &name(n), purpose).await;
                }
                town.world.give_link("messenger", &name(n), "photos", &phone(n)).await;
                town.world.give_link("photos", &name(n), "messenger", &phone(n)).await;
            }
        };
        let list = town.list_while(town.request(20), renew).await.expect("built");
        let page = town.rows(&list).await.expect("served");
        let of = |n: usize| town.world.keys.recipient(SHOP, town.people[n]);
        let renewed = (1..10).filter(|n| page.rows.iter().any(|row| row.recipient == of(*n)));
        assert!(renewed.count() >= 2, "some of them are listed");
        let found = replayed(&town, &list).await;
        assert_eq!((codes(&found), found.rows_confirmed), (vec![], 20));
    })
    .await;
}

/// One thing that somebody with the database could do, and what the replay says then.
struct Forgery {
    what: Statement,
    says: &'static str,
}

const FORGERIES: [Forgery; 15] = [
    Forgery {
        what: same("PROPENSITY", "update list_rows set propensity = 0.5 where rank = 3"),
        says: "row.not_drawn_so",
    },
    Forgery {
        what: same("HOLDOUT", "update lists set holdout = 0.4 where state = 'sealed'"),
        says: "row.not_drawn_so",
    },
    Forgery {
        what: same("SCORE", "update list_rows set score = 0.99 where rank = 3"),
        says: "row.not_sealed_so",
    },
    Forgery {
        what: same(
            "ENTRY",
            "update list_rows set messages_entry = messages_entry + 1 where rank = 3",
        ),
        says: "row.not_sealed_so",
    },
    Forgery {
        what: same("RECIPIENT", "update list_rows set recipient = salt where rank = 3"),
        says: "row.recipient",
    },
    Forgery {
        what: same("HASH", "update list_leaves set hash = $1 where rank = 3"),
        says: "list.root",
    },
    Forgery {
        what: same("ROW", "delete from list_rows where rank = 3"),
        says: "list.rows_unexplained",
    },
    Forgery {
        what: same("ROOT", "update lists set rows_root = $1 where state = 'sealed'"),
        says: "list.not_sealed_so",
    },
    Forgery {
        what: same(
            "RANKING",
            "update lists set ranking = '{\"by\":\"increase\",\"why\":\"increase.known\"}'
              where state = 'sealed'",
        ),
        says: "list.not_sealed_so",
    },
    Forgery {
        what: same("MODEL", "update lists set model = 'mdl_other' where state = 'sealed'"),
        says: "list.not_sealed_so",
    },
    Forgery {
        what: same(
            "RECORD",
            "update consent_records set sealed = $1
              where entry = (select messages_entry from list_rows where rank = 3)",
        ),
        says: "account.unverifiable",
    },
    Forgery {
        what: same(
            "LEAF",
            "update ledger_entries set leaf = $1
              where idx = (select messages_entry from list_rows where rank = 3)",
        ),
        says: "ledger.root",
    },
    Forgery {
        what: same("OLD_LEAF", "update ledger_entries set leaf = $1 where idx = 0"),
        says: "ledger.root_now",
    },
    Forgery {
        what: same(
            "NOTE",
            "update ledger_checkpoints set note = replace(replace(replace(note, 'B', 'C'), 'D', 'F'), 'G', 'H')
              where size = (select checkpoint_size from lists where state = 'sealed')",
        ),
        says: "ledger.root",
    },
    Forgery {
        what: same(
            "AGE",
            "update accounts set age_band = '16_17' where subject =
                           (select subject from list_rows where rank = 3)",
        ),
        says: "row.outlived_consent",
    },
];

#[tokio::test]
async fn whatever_is_changed_is_denied() {
    on_both(|db| async move {
        let town = Town::new(db, 60, 6).await;
        let list = town.list(town.request(20)).await.expect("built");
        let now = town.world.clock.now();
        for Forgery { what, says } in FORGERIES {
            let mut tx = town.world.db.begin().await.expect("begins");
            for unlock in UNLOCK {
                tx.execute(unlock, values![]).await.expect("unlocked");
            }
            let forged = if what.text(tx.engine()).contains("$1") {
                values![vec![7_u8; 32]]
            } else {
                values![]
            };
            assert_eq!(tx.execute(what, forged).await.expect("obeys"), 1, "{says}");
            let found = replay(&mut tx, &town.world.keys, SHOP, list.id, now, &|_, _| {}).await;
            let codes = codes(&found.expect("replays"));
            assert!(codes.contains(&says), "{}: {says}: {codes:?}", what.name);
            tx.rollback().await;
        }
        assert!(replayed(&town, &list).await.is_confirmed());
    })
    .await;
}

const REMEMBER: Statement = same(
    "REMEMBER",
    "select subject, recipient, score, uplift, propensity, reasons, salt, messages_grant, messages_entry,
            relevance_grant, relevance_entry from list_rows where rank = 1",
);
const PUT_BACK: Statement = same(
    "PUT_BACK",
    "insert into list_rows (list, business, rank, subject, recipient, score, uplift, propensity, reasons,
                            salt, messages_grant, messages_entry, relevance_grant, relevance_entry)
     values ($1, $2, 1, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
);
const REVIVE: Statement =
    same("REVIVE", "update grants set state = 'given', entry = $3 where subject = $1 and id = $2");
const FORGET: Statement = same(
    "FORGET",
    "delete from consent_records where subject = $1
        and entry = (select max(entry) from consent_records where subject = $1)",
);

/// The row of somebody who withdrew is put back, with and without undoing the withdrawal itself.
#[tokio::test]
async fn a_withdrawal_cannot_be_undone_behind_the_ledger() {
    on_both(|db| async move {
        let town = Town::new(db, 60, 0).await;
        let list = town.list(town.request(20)).await.expect("built");
        let mut tx = town.world.db.read().await.expect("begins");
        let row = tx.fetch_one(REMEMBER, values![]).await.expect("a first row");
        drop(tx);
        let subject: volens_privacy::SubjectId = row.get("subject").expect("an account");
        let n = town.people.iter().position(|person| *person == subject).expect("of the town");
        let purpose = PurposeKind::BusinessMessages;
        town.world.withdraw("messenger", &name(n), purpose, None).await.expect("ends");
        assert_eq!(replayed(&town, &list).await.rows_gone, 1);

        let bytes = |name| row.get::<Vec<u8>>(name).expect("bytes");
        let number = |name| row.get::<i64>(name).expect("a number");
        let real = |name| row.get::<f64>(name).expect("a number");
        let reasons: String = row.get("reasons").expect("text");
        let again = values![
            list.id,
            SHOP,
            subject,
            bytes("recipient"),
            real("score"),
            real("uplift"),
            real("propensity"),
            reasons,
            bytes("salt"),
            bytes("messages_grant"),
            number("messages_entry"),
            bytes("relevance_grant"),
            number("relevance_entry"),
        ];
        town.tamper(PUT_BACK, again).await;
        let found = replayed(&town, &list).await;
        assert_eq!(codes(&found), ["row.outlived_consent"]);
        assert_eq!(town.rows(&list).await.expect("served").dropped, 1, "and it is not served");

        let revived = values![subject, bytes("messages_grant"), number("messages_entry")];
        let mut tx = town.world.db.begin().await.expect("begins");
        tx.execute(UNLOCK[2], values![]).await.expect("unlocked");
        tx.execute(REVIVE, revived).await.expect("obeys");
        tx.execute(FORGET, values![subject]).await.expect("obeys");
        tx.commit().await.expect("commits");
        let found = replayed(&town, &list).await;
        assert_eq!(codes(&found), ["ledger.record_missing"]);
    })
    .await;
}
