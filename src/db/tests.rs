//! The driver's promises, on both engines.

use std::sync::Arc;

use super::testing::{FreshPostgres, FreshSqlite, on_both, skipped};
use super::*;

statements! {
    ADD = "insert into counters (name, value) values ($1, $2)";
    ADD_ROWS = "insert into counters (name, value) values {rows}";
    VALUE = "select value from counters where name = $1";
    SOME = "select name from counters where value >= $1 and name in ({list}) order by name";
    ALL = "select count(*) as n from counters";
    NUMBERED = "select name from counters where value in ({list})";
    MARKED = "select name from counters where value >= $1 and x'00ff' in ({list})"
        | postgres
            "select name from counters where value >= $1 and '\\x00ff'::bytea in ({list})";
    EVERY_KIND = "select name, value, cast(1 as double precision) / 3 as third, x'00ff' as mark,
                         cast(null as bigint) as missing, '' as blank
                  from counters where name in ({list}) order by value"
        | postgres "select name, value, cast(1 as double precision) / 3 as third,
                           '\\x00ff'::bytea as mark, cast(null as bigint) as missing, '' as blank
                    from counters where name in ({list}) order by value";
}

#[test]
fn the_texts_differ_only_where_they_say_so() {
    for statement in STATEMENTS.iter().filter(|one| !["EVERY_KIND", "MARKED"].contains(&one.name)) {
        assert_eq!(statement.text(Engine::Sqlite), statement.text(Engine::Postgres));
    }
}

async fn value(db: &Db, name: &str) -> Option<i64> {
    let mut tx = db.read().await.unwrap();
    let row = tx.fetch_optional(VALUE, values![name]).await.unwrap();
    row.map(|row| row.get("value").unwrap())
}

#[tokio::test]
async fn committed_work_stays_and_dropped_work_goes() {
    on_both(|db| async move {
        let mut tx = db.begin().await.unwrap();
        tx.execute(ADD, values!["kept", 1_i64]).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = db.begin().await.unwrap();
        tx.execute(ADD, values!["dropped", 1]).await.unwrap();
        drop(tx);
        let mut tx = db.begin().await.unwrap();
        tx.execute(ADD, values!["rolled back", 1]).await.unwrap();
        tx.rollback().await;
        assert_eq!(value(&db, "kept").await, Some(1));
        assert_eq!(value(&db, "dropped").await, None);
        assert_eq!(value(&db, "rolled back").await, None);
    })
    .await;
}

#[tokio::test]
async fn a_statement_with_too_few_values_is_refused() {
    on_both(|db| async move {
        let mut tx = db.begin().await.unwrap();
        let refused = tx.execute(ADD, values!["x"]).await;
        assert!(matches!(refused, Err(Error::Arity { expected: 2, found: 1, .. })));
        let ragged = tx.execute_rows(ADD_ROWS, vec![values!["x", 1], values!["y"]]).await;
        assert!(matches!(ragged, Err(Error::Arity { .. })));
    })
    .await;
}

#[tokio::test]
async fn rows_and_lists_of_any_length_arrive_whole() {
    on_both(|db| async move {
        let count = 1234;
        let names: Vec<String> = (0..count).map(|n| format!("row {n:05}")).collect();
        let mut tx = db.begin().await.unwrap();
        let rows = names.iter().zip(0_i64..).map(|(name, n)| values![name, n]).collect();
        assert_eq!(tx.execute_rows(ADD_ROWS, rows).await.unwrap(), count);
        assert_eq!(tx.execute_rows(ADD_ROWS, Vec::new()).await.unwrap(), 0);
        let list = names.iter().map(Value::from).collect();
        assert_eq!(tx.fetch_list(SOME, values![1000], list).await.unwrap().len(), 234);
        assert_eq!(tx.fetch_list(SOME, values![0], Vec::new()).await.unwrap().len(), 0);
        tx.commit().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn members_of_a_list_are_what_they_are_bound_as() {
    on_both(|db| async move {
        let mut tx = db.begin().await.unwrap();
        let odd = ["a \"quoted\" name", "null", "[1]", "ünïcode \u{1}", "x'00ff'", "00ff", ""];
        let rows = odd.iter().zip(1000_i64..).map(|(name, n)| values![*name, n]).collect();
        tx.execute_rows(ADD_ROWS, rows).await.unwrap();
        for (nth, name) in odd.iter().enumerate() {
            let list = vec![Value::from(*name), Value::Text(None)];
            let found = tx.fetch_list(SOME, values![1000], list).await.unwrap();
            let names: Vec<String> = found.iter().map(|row| row.get("name").unwrap()).collect();
            assert_eq!(names, [*name], "{nth}");
        }
        let numbers = vec![Value::from(1001_i64), Value::from(1004_i64), Value::Int(None)];
        assert_eq!(tx.fetch_list(NUMBERED, vec![], numbers).await.unwrap().len(), 2);
        let bytes = [vec![0_u8, 255], Vec::new(), vec![1]].map(Value::from);
        let found = tx.fetch_list(MARKED, values![1000], bytes.to_vec()).await.unwrap();
        assert_eq!(found.len(), odd.len(), "the mark is among the members");
        let other = vec![Value::from(vec![0_u8, 254]), Value::Bytes(None)];
        assert_eq!(tx.fetch_list(MARKED, values![1000], other).await.unwrap().len(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_transaction_with_a_failed_statement_cannot_be_committed() {
    on_both(|db| async move {
        let mut tx = db.begin().await.unwrap();
        tx.execute(ADD, values!["twice", 1]).await.unwrap();
        let again = tx.execute(ADD, values!["twice", 1]).await;
        assert!(matches!(again, Err(Error::Duplicate(_))));
        assert!(matches!(tx.commit().await, Err(Error::Aborted)));
        assert_eq!(value(&db, "twice").await, None);
    })
    .await;
}

#[tokio::test]
async fn readers_cannot_write() {
    on_both(|db| async move {
        let mut tx = db.read().await.unwrap();
        assert!(tx.execute(ADD, values!["sneaky", 1]).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn a_failed_begin_does_not_poison_the_writer() {
    let fresh = FreshSqlite::create();
    let db = fresh.open().await;
    // A second transaction on a connection that is inside one is the failure that sqlx would
    // otherwise remember for ever.
    let mut tx = db.begin().await.unwrap();
    tx.execute(ADD, values!["first", 1]).await.unwrap();
    let failed = tx.begin_again().await;
    assert!(failed.is_err());
    drop(tx);
    for n in 0..20 {
        let mut tx = db.begin().await.unwrap();
        tx.execute(ADD, values![format!("after {n}"), 1]).await.unwrap();
        tx.commit().await.unwrap();
    }
    assert_eq!(value(&db, "first").await, None);
    assert_eq!(value(&db, "after 19").await, Some(1));
}

/// A row that leads nowhere, which both engines notice at the commit and not before.
const NOTICED_LATE: [&str; 2] = [
    "create temporary table late (n bigint primary key,
        other bigint references late (n) deferrable initially deferred)",
    "insert into late (n, other) values (1, 2)",
];

/// Which session of the server a transaction is in; SQLite has none.
const SESSION: Statement = Statement::new(
    "test",
    "SESSION",
    "select cast(0 as bigint) as session",
    "select cast(pg_backend_pid() as bigint) as session",
);

#[tokio::test]
async fn a_connection_whose_commit_failed_is_never_used_again() {
    on_both(|db| async move {
        let mut tx = db.begin().await.unwrap();
        let session: i64 = tx.fetch_one(SESSION, values![]).await.unwrap().get("session").unwrap();
        tx.execute(ADD, values!["not acknowledged", 1]).await.unwrap();
        for text in NOTICED_LATE {
            let statement = Statement::new("test", "NOTICED_LATE", text, text);
            tx.execute(statement, values![]).await.unwrap();
        }
        assert!(tx.commit().await.is_err(), "the engine refuses at the commit");
        assert_eq!(value(&db, "not acknowledged").await, None);
        // On SQLite the one writer is still inside its transaction, and whoever came next would fail,
        // or have their work committed with it. PostgreSQL has as many as there are connections.
        let count = if db.engine() == Engine::Sqlite { 1 } else { 16 };
        for round in 0..2 {
            let mut open = Vec::new();
            for n in 0..count {
                let mut tx = db.begin().await.unwrap();
                let row = tx.fetch_one(SESSION, values![]).await.unwrap();
                let other: i64 = row.get("session").unwrap();
                assert!(session == 0 || other != session, "the session is used again");
                tx.execute(ADD, values![format!("after {round} {n}"), 1]).await.unwrap();
                open.push(tx);
            }
            for tx in open {
                tx.commit().await.unwrap();
            }
        }
        assert_eq!(value(&db, "after 1 0").await, Some(1));
        assert_eq!(value(&db, "not acknowledged").await, None);
    })
    .await;
}

#[tokio::test]
async fn a_caller_who_leaves_in_the_middle_of_a_begin_leaves_nothing_behind() {
    on_both(|db| async move {
        for n in 0..20 {
            // Polled a few times and dropped, wherever the begin is by then.
            for polls in 0..4 {
                let mut leaving = Box::pin(db.begin());
                for _ in 0..polls {
                    let polled = std::future::poll_fn(|context| {
                        std::task::Poll::Ready(leaving.as_mut().poll(context).is_ready())
                    });
                    if polled.await {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
            }
            let mut tx = db.begin().await.unwrap();
            tx.execute(ADD, values![format!("stayed {n}"), 1]).await.unwrap();
            tx.commit().await.unwrap();
        }
        assert_eq!(value(&db, "stayed 19").await, Some(1));
    })
    .await;
}

#[tokio::test]
async fn the_change_counter_never_repeats() {
    on_both(|db| async move {
        let mut tasks = Vec::new();
        for _ in 0..20 {
            let db = db.clone();
            tasks.push(tokio::spawn(async move {
                let mut tx = db.begin().await.unwrap();
                let number = changes::next(&mut tx).await.unwrap();
                tx.commit().await.unwrap();
                number
            }));
        }
        let mut numbers = Vec::new();
        for task in tasks {
            numbers.push(task.await.unwrap());
        }
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=20).collect::<Vec<i64>>());
        let mut tx = db.read().await.unwrap();
        assert_eq!(changes::latest(&mut tx).await.unwrap(), 20);
    })
    .await;
}

#[tokio::test]
async fn a_schema_from_the_future_is_refused() {
    let fresh = FreshSqlite::create();
    from_the_future(&fresh.address()).await;
    let Some(fresh) = FreshPostgres::create().await else { return skipped() };
    from_the_future(&fresh.address()).await;
    fresh.drop_database().await;
}

async fn from_the_future(address: &str) {
    let db = Db::open(address).await.unwrap();
    let mut tx = db.begin().await.unwrap();
    tx.execute(FROM_THE_FUTURE, values![]).await.unwrap();
    tx.commit().await.unwrap();
    db.close().await;
    assert!(matches!(Db::open(address).await, Err(Error::SchemaNewer(9999))));
}

const FROM_THE_FUTURE: Statement = Statement::new(
    "test",
    "FROM_THE_FUTURE",
    "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
     values (9999, 'from the future', 1, x'00', 0)",
    "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
     values (9999, 'from the future', true, '\\x00', 0)",
);

#[tokio::test]
async fn sqlite_is_durable_and_there_is_no_way_to_weaken_it() {
    let fresh = FreshSqlite::create();
    let db = fresh.open().await;
    let mut tx = db.begin().await.unwrap();
    for (pragma, column, expected) in
        [("pragma synchronous", "synchronous", 2), ("pragma foreign_keys", "foreign_keys", 1)]
    {
        let statement = Statement::new("test", "PRAGMA", pragma, "");
        let row = tx.fetch_one(statement, values![]).await.unwrap();
        assert_eq!(row.get::<i64>(column).unwrap(), expected, "{pragma}");
    }
    let weakened = Db::open(&format!("{}?synchronous=off", fresh.address())).await;
    assert!(weakened.is_err() || fresh.path().join("volens.db?synchronous=off").exists());
}

/// Adds counters; refuses the name "refused", panics at "panic", and lets the database refuse
/// duplicates.
struct Adder;

impl group::Grouped for Adder {
    type Item = (String, i64);
    type Reply = Result<(), &'static str>;

    async fn apply(&self, tx: &mut Tx, items: &[Self::Item]) -> Result<Vec<Self::Reply>> {
        let mut replies = Vec::new();
        let mut rows = Vec::new();
        for (name, value) in items {
            if name == "refused" {
                replies.push(Err("refused"));
            } else {
                rows.push(values![name, *value]);
                replies.push(Ok(()));
            }
        }
        tx.execute_rows(ADD_ROWS, rows).await?;
        assert!(items.iter().all(|(name, _)| name != "panic"), "as the test asked");
        Ok(replies)
    }
}

#[tokio::test]
async fn group_commit_answers_each_caller_and_one_bad_row_harms_only_its_sender() {
    on_both(|db| async move {
        let mut tx = db.read().await.unwrap();
        let before: i64 = tx.fetch_one(ALL, values![]).await.unwrap().get("n").unwrap();
        drop(tx);
        let group = group::Group::spawn(
            db.clone(),
            Arc::new(Adder),
            group::Limits { waiting: 1000, batch: 256 },
        );
        let mut callers = Vec::new();
        for n in 0..300_i64 {
            let group = group.clone();
            let name = match n {
                17 => "refused".to_owned(),
                18 | 19 => "same".to_owned(),
                _ => format!("caller {n}"),
            };
            callers.push(tokio::spawn(async move { group.submit((name, n)).await }));
        }
        let mut outcomes = Vec::new();
        for caller in callers {
            outcomes.push(caller.await.unwrap());
        }
        assert!(matches!(outcomes[17], Ok(Err("refused"))));
        let same: Vec<bool> = outcomes[18..20].iter().map(Result::is_ok).collect();
        assert_eq!(same.iter().filter(|ok| **ok).count(), 1, "one of two equal rows is kept");
        let kept = outcomes.iter().filter(|outcome| matches!(outcome, Ok(Ok(())))).count();
        let mut tx = db.read().await.unwrap();
        let rows: i64 = tx.fetch_one(ALL, values![]).await.unwrap().get("n").unwrap();
        assert_eq!(usize::try_from(rows - before).unwrap(), kept);
    })
    .await;
}

/// However many read: what has to be recorded is recorded meanwhile.
#[tokio::test]
async fn a_group_writes_while_readers_hold_every_connection() {
    on_both(|db| async move {
        let mut readers = Vec::new();
        let most = match db.engine() {
            Engine::Sqlite => connect::SQLITE_READERS,
            Engine::Postgres => connect::POSTGRES_CONNECTIONS,
        };
        for _ in 0..most {
            readers.push(db.read().await.unwrap());
        }
        let limits = group::Limits { waiting: 10, batch: 10 };
        let group = group::Group::spawn(db.clone(), Arc::new(Adder), limits);
        assert!(matches!(group.submit(("meanwhile".to_owned(), 1)).await, Ok(Ok(()))));
        drop(readers);
    })
    .await;
}

#[tokio::test]
async fn work_that_panics_harms_only_its_sender_and_the_writer_goes_on() {
    on_both(|db| async move {
        let limits = group::Limits { waiting: 1000, batch: 256 };
        let group = group::Group::spawn(db.clone(), Arc::new(Adder), limits);
        for round in 0..2 {
            let mut callers = Vec::new();
            for n in 0..20_i64 {
                let group = group.clone();
                let name = if n == 7 { "panic".to_owned() } else { format!("{round} {n}") };
                callers.push(tokio::spawn(async move { group.submit((name, n)).await }));
            }
            for (n, caller) in callers.into_iter().enumerate() {
                let answer = caller.await.unwrap();
                let panicked = matches!(answer, Err(group::GroupError::Panicked));
                assert!(if n == 7 { panicked } else { matches!(answer, Ok(Ok(()))) }, "{n}");
            }
        }
        assert_eq!(value(&db, "panic").await, None, "what it had written is rolled back");
        assert_eq!(value(&db, "1 19").await, Some(19));
    })
    .await;
}

#[tokio::test]
async fn a_full_queue_sheds_and_a_patient_caller_waits() {
    let fresh = FreshSqlite::create();
    let db = fresh.open().await;
    let blocker = db.begin().await.unwrap();
    let group =
        group::Group::spawn(db.clone(), Arc::new(Adder), group::Limits { waiting: 1, batch: 256 });
    let mut callers = Vec::new();
    let mut shed = 0;
    for n in 0..8 {
        let group = group.clone();
        callers.push(tokio::spawn(async move { group.submit((format!("caller {n}"), n)).await }));
        tokio::task::yield_now().await;
    }
    let patient = tokio::spawn({
        let group = group.clone();
        async move { group.submit_patiently(("patient".to_owned(), 1)).await }
    });
    tokio::task::yield_now().await;
    blocker.rollback().await;
    for caller in callers {
        shed += usize::from(matches!(caller.await.unwrap(), Err(group::GroupError::Full)));
    }
    assert!(shed >= 1, "a queue of one cannot hold eight");
    assert!(matches!(patient.await.unwrap(), Ok(Ok(()))));
    assert_eq!(value(&db, "patient").await, Some(1));
}

#[tokio::test]
async fn rows_that_travel_as_one_arrive_as_they_are_stored() {
    on_both(|db| async move {
        let mut tx = db.begin().await.unwrap();
        let rows = vec![values!["a;b", 1], values!["ü,'\"\n", -2], values!["c", i64::MAX]];
        tx.execute_rows(ADD_ROWS, rows).await.unwrap();
        let list = values!["a;b", "ü,'\"\n", "c", "absent"];
        let found = tx.fetch_list(EVERY_KIND, vec![], list).await.unwrap();
        let third = 1.0_f64 / 3.0;
        for (row, (name, value)) in found.iter().zip([("ü,'\"\n", -2), ("a;b", 1), ("c", i64::MAX)])
        {
            assert_eq!(row.get::<String>("name").unwrap(), name);
            assert_eq!(row.get::<i64>("value").unwrap(), value);
            assert_eq!(row.get::<f64>("third").unwrap().to_bits(), third.to_bits());
            assert_eq!(row.get::<Vec<u8>>("mark").unwrap(), [0, 0xff]);
            assert_eq!(row.get::<Option<i64>>("missing").unwrap(), None);
            assert_eq!(row.get::<Option<String>>("blank").unwrap().as_deref(), Some(""));
        }
        assert_eq!(found.len(), 3);
        assert!(found[0].get::<i64>("absent").is_err());
        assert!(found[0].get::<i64>("name").is_err());
        let none = tx.fetch_list(EVERY_KIND, vec![], values!["absent"]).await.unwrap();
        assert!(none.is_empty());
    })
    .await;
}

/// The names are read from the text; the engine knows better.
#[tokio::test]
async fn packed_rows_have_the_columns_that_the_engine_names() {
    use sqlx::{AssertSqlSafe, Executor as _, SqlSafeStr as _, Statement as _};

    let fresh = FreshSqlite::create();
    let db = fresh.open().await;
    let connect::Pools::Sqlite { writer, .. } = &db.0 else { unreachable!() };
    let mut packed = 0;
    for statement in crate::statements() {
        let sql = statement.sample(Engine::Sqlite, 2);
        let Some((_, names)) = statement.packed(statement::Shape::Array(statement::Members::Bytes))
        else {
            continue;
        };
        let prepared = writer.prepare(AssertSqlSafe(sql).into_sql_str()).await.unwrap();
        let columns: Vec<&str> = prepared.columns().iter().map(sqlx::Column::name).collect();
        assert_eq!(*names, *columns, "{}", statement.name);
        packed += 1;
    }
    assert!(packed > 100, "{packed} statements are packed");
}

/// Whoever waited in vain for a connection may send the same again: that is no fault of the program.
#[test]
fn no_connection_in_time_is_a_conflict() {
    assert!(matches!(Error::from(sqlx::Error::PoolTimedOut), Error::Conflict(_)));
}
