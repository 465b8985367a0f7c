//! `volens import` from outside: once, again, in spite of a kill, and with rows that are wrong.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::Value;
use tokio::process::Command;
use volens::db::testing::{FreshPostgres, FreshSqlite, skipped};
use volens::db::{Db, Statement};
use volens_privacy::Notices;

const ROWS: usize = 3000;

const MAPPING: &str = r#"
app = "shop"
[account]
reference = "customer"
language = "en"
at = "20 days ago"
traits = { recency = "recency" }
[[account.topics]]
column = "runs"
topic = "sport.running"
kind = "viewed"
[exposure]
at = "19 days ago"
closes_after_days = 14
treatment = "sent"
arms = { yes = { share = 0.5, topics = ["sport.running"] }, no = { share = 0.5, control = true } }
outcomes = [{ column = "visit", kind = "click" }]
"#;

/// Two messages and none, each to a third, as far as they are in the table.
const THREE_ARMS: &str = r#"
app = "shop"
[account]
reference = "customer"
language = "en"
[exposure]
at = "19 days ago"
closes_after_days = 14
treatment = "segment"
outcomes = [{ column = "visit", kind = "click" }]
[exposure.arms]
runs = { share = 0.3, topics = ["sport.running"] }
clothes = { share = 0.3, topics = ["fashion"] }
nothing = { share = 0.3, control = true }
"#;

/// What is known of a customer.
struct Row {
    recency: usize,
    runs: usize,
    sent: &'static str,
    visit: usize,
}

fn row(n: usize) -> Row {
    let sent = if n.is_multiple_of(2) { "yes" } else { "no" };
    Row { recency: n % 12, runs: n % 3, sent, visit: n % 5 / 4 }
}

/// The same table as Parquet: numbers are numbers there, in two row groups.
fn parquet_table(path: &Path) {
    let schema = "message customers { required binary customer (UTF8); required int64 recency; \
        required double runs; required binary sent (UTF8); required int64 visit; }";
    let schema = Arc::new(parse_message_type(schema).expect("a schema"));
    let file = std::fs::File::create(path).expect("a file");
    let properties = Arc::new(WriterProperties::builder().build());
    let mut writer = SerializedFileWriter::new(file, schema, properties).expect("a writer");
    for rows in [0..ROWS / 3, ROWS / 3..ROWS] {
        let text = |of: fn(usize) -> String| -> Vec<ByteArray> {
            rows.clone().map(|n| ByteArray::from(of(n).into_bytes())).collect()
        };
        let whole = |of: fn(Row) -> usize| -> Vec<i64> {
            rows.clone().map(|n| i64::try_from(of(row(n))).expect("a small number")).collect()
        };
        let runs: Vec<f64> = rows.clone().map(|n| row(n).runs as f64).collect();
        let mut group = writer.next_row_group().expect("a row group");
        let mut nth = 0;
        while let Some(mut column) = group.next_column().expect("no error") {
            let written = match nth {
                0 => {
                    let customers = text(|n| format!("c{n}"));
                    column.typed::<ByteArrayType>().write_batch(&customers, None, None)
                }
                1 => column.typed::<Int64Type>().write_batch(&whole(|r| r.recency), None, None),
                2 => column.typed::<DoubleType>().write_batch(&runs, None, None),
                3 => {
                    let sent = text(|n| row(n).sent.to_owned());
                    column.typed::<ByteArrayType>().write_batch(&sent, None, None)
                }
                _ => column.typed::<Int64Type>().write_batch(&whole(|r| r.visit), None, None),
            };
            assert_eq!(written.expect("written"), rows.len());
            column.close().expect("closed");
            nth += 1;
        }
        group.close().expect("closed");
    }
    writer.close().expect("closed");
}

/// Files of a small import and the service they go to.
struct Shop {
    directory: tempfile::TempDir,
    database: String,
    business: String,
    accounts: &'static str,
}

impl Shop {
    async fn open(database: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let (database, business) = (database.to_owned(), String::new());
        let mut shop = Self { directory, database, business, accounts: "table.csv" };
        shop.run(&["accounts", "app", "shop", "--title", "Shop"]).await;
        let made = shop.run(&["accounts", "business", "Maker"]).await;
        made["id"].as_str().expect("an id").clone_into(&mut shop.business);
        std::fs::write(shop.file("map.toml"), MAPPING).expect("written");
        let mut table = "customer,recency,runs,sent,visit\n".to_owned();
        for n in 0..ROWS {
            let Row { recency, runs, sent, visit } = row(n);
            writeln!(table, "c{n},{recency},{runs},{sent},{visit}").expect("memory takes it");
        }
        std::fs::write(shop.file("table.csv"), table).expect("written");
        let notice = Notices::builtin().latest("messages", "en").expect("there is one");
        let shown = volens::ids::hex(&notice.sha256);
        let mut evidence =
            "account,purposes,decision,notice,notice_version,language,rendered_sha256,decided_at\n"
                .to_owned();
        let decided = shop.decided();
        for n in (0..ROWS).filter(|n| n % 3 != 0) {
            let purposes = "relevance business_messages model_training";
            writeln!(evidence, "c{n},{purposes},given,messages,1,en,{shown},{decided}")
                .expect("memory takes it");
        }
        std::fs::write(shop.file("consents.csv"), evidence).expect("written");
        shop
    }

    /// Thirty days before today, as the sample evidence has it.
    fn decided(&self) -> String {
        let made = self.directory.path().join("made");
        let done = std::process::Command::new(env!("CARGO_BIN_EXE_volens"))
            .args(["import", "sample-evidence", "--app", "shop", "--peer", "other"])
            .args(["--rows", "3", "--linked", "1", "--out"])
            .arg(&made)
            .output()
            .expect("the program runs");
        assert!(done.status.success());
        let text = std::fs::read_to_string(made.join("sample-consents.csv")).expect("made");
        text.split(',').find(|cell| cell.ends_with('Z')).expect("a time").to_owned()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_volens"));
        command.arg("--json").arg("--data").arg(self.file("data"));
        command.args(["--database", &self.database]).args(arguments);
        command.kill_on_drop(true).stdin(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn import(&self, more: &[&str]) -> Command {
        let mut command = self.command(&["import", "--business", &self.business]);
        command.arg("--mapping").arg(self.file("map.toml"));
        command.arg("--accounts").arg(self.file(self.accounts));
        command.arg("--consents").arg(self.file("consents.csv")).args(more);
        command
    }

    async fn run(&self, arguments: &[&str]) -> Value {
        told(self.command(arguments)).await
    }
}

async fn told(mut command: Command) -> Value {
    let done = command.output().await.expect("the program runs");
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{said}");
    serde_json::from_str(&said).expect("one JSON object")
}

/// Everything that a whole import has done, told by doing it again: nothing is new.
fn nothing_new(again: &Value) {
    assert_eq!(again["accounts"]["known"], ROWS, "{again}");
    for (part, new) in [
        ("accounts", "created"),
        ("consents", "recorded"),
        ("exposures", "recorded"),
        ("exposures", "outcomes"),
    ] {
        assert_eq!(again[part][new], 0, "{part}.{new} in {again}");
    }
    assert_eq!(again["consents"]["unchanged"], 6000);
    assert_eq!(again["exposures"]["known"], 2000);
    // What can be counted twice is recognised; a trait that is said again says nothing new.
    assert_eq!(again["signals"]["accepted"], 2000, "{again}");
    assert_eq!(again["signals"]["duplicate"], 3000, "{again}");
}

async fn once_again_and_rejected(shop: &Shop) {
    let dry = told(shop.import(&["--dry-run"])).await;
    assert_eq!((&dry["accounts"]["rows"], &dry["accounts"]["created"]), (&ROWS.into(), &0.into()));
    let first = told(shop.import(&[])).await;
    assert_eq!(first["accounts"]["created"], ROWS, "the dry run wrote nothing");
    assert_eq!(first["consents"]["recorded"], 6000);
    assert_eq!(first["exposures"]["recorded"], 2000);
    assert_eq!(first["rejected"]["consent.absent"], 1000);
    let rejects = first["rejects_file"].as_str().expect("a file");
    let rejects = std::fs::read_to_string(Path::new(rejects)).expect("it is there");
    assert_eq!(rejects.lines().next(), Some("file,row,code,column"));
    assert!(rejects.lines().any(|line| line == "table.csv,1,consent.absent,"));
    assert!(!rejects.contains("c0"), "never a value");
    let finished = told(shop.import(&[])).await;
    assert_eq!(finished["accounts"]["rows"], 0);
    assert_eq!(finished["finished_before"].as_array().map(Vec::len), Some(3));
    nothing_new(&told(shop.import(&["--again"])).await);
}

/// The same rows in another format are the same customers: what is imported from Parquet is known
/// when the table comes as CSV.
async fn from_parquet(shop: &mut Shop) {
    parquet_table(&shop.file("table.parquet"));
    shop.accounts = "table.parquet";
    let first = told(shop.import(&[])).await;
    assert_eq!(first["accounts"]["created"], ROWS, "{first}");
    assert_eq!(first["consents"]["recorded"], 6000, "{first}");
    assert_eq!(first["exposures"]["recorded"], 2000, "{first}");
    assert_eq!(first["rejected"]["consent.absent"], 1000, "{first}");
    let rejects = first["rejects_file"].as_str().expect("a file");
    let rejects = std::fs::read_to_string(Path::new(rejects)).expect("it is there");
    assert!(rejects.lines().any(|line| line == "table.parquet,1,consent.absent,"), "{rejects}");
    shop.accounts = "table.csv";
    nothing_new(&told(shop.import(&["--again"])).await);
}

/// Whoever was in one of three arms has the probability of being written to, or not, about what it is about; and
/// those kept aside were kept from either message as often as it was sent.
async fn three_arms(shop: &Shop) {
    std::fs::write(shop.file("map.toml"), THREE_ARMS).expect("written");
    let mut table = "customer,segment,visit\n".to_owned();
    for n in 0..ROWS {
        let segment = ["runs", "clothes", "nothing"][n / 3 % 3];
        writeln!(table, "c{n},{segment},{}", n % 5 / 4).expect("memory takes it");
    }
    std::fs::write(shop.file("table.csv"), table).expect("written");
    let said = told(shop.import(&[])).await;
    assert_eq!(said["exposures"]["recorded"], 2000, "{said}");
    let db = Db::open(&shop.database).await.expect("opens");
    let text = "select treated, count(*) as n, min(propensity) as low, max(propensity) as high
                from exposures group by treated order by treated";
    let statement = Statement::new("journeys::import", "DRAWN", text, text);
    let mut tx = db.read().await.expect("a snapshot");
    let rows = tx.fetch(statement, Vec::new()).await.expect("rows");
    assert_eq!(rows.len(), 2);
    for (row, (treated, expected)) in rows.iter().zip([(0_i64, 1.0 / 3.0), (1, 2.0 / 3.0)]) {
        assert_eq!(row.get::<i64>("treated").expect("a number"), treated);
        for of in ["low", "high"] {
            let propensity: f64 = row.get(of).expect("a number");
            assert!((propensity - expected).abs() < 1e-12, "{treated}: {propensity}");
        }
    }
    drop(tx);
    db.close().await;
}

/// How far all passes came together.
async fn done(db: &Db) -> i64 {
    let text = "select cast(coalesce(sum(done), 0) as bigint) as done from import_runs";
    let statement = Statement::new("journeys::import", "DONE", text, text);
    let mut tx = db.read().await.expect("a snapshot");
    tx.fetch_one(statement, Vec::new()).await.expect("a row").get("done").expect("a number")
}

async fn killed(shop: &Shop) {
    let db = Db::open(&shop.database).await.expect("opens");
    let mut rounds = 0;
    loop {
        let mut child = shop.import(&[]).stdout(Stdio::null()).spawn().expect("the program runs");
        let before = done(&db).await;
        tokio::select! {
            ended = child.wait() => {
                assert!(ended.expect("it ends").success());
                break;
            }
            () = async {
                while done(&db).await == before {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            } => child.kill().await.expect("it can be killed"),
        }
        rounds += 1;
        assert!(rounds < 50, "the import goes on where it stopped");
    }
    assert!(rounds > 0, "it was killed at least once");
    db.close().await;
    nothing_new(&told(shop.import(&["--again"])).await);
}

#[tokio::test]
async fn a_second_import_changes_nothing_and_rejects_name_no_value() {
    let sqlite = FreshSqlite::create();
    once_again_and_rejected(&Shop::open(&sqlite.address()).await).await;
    let Some(postgres) = FreshPostgres::create().await else { return skipped() };
    once_again_and_rejected(&Shop::open(&postgres.address()).await).await;
    postgres.drop_database().await;
}

#[tokio::test]
async fn of_three_arms_each_has_the_probability_of_its_own() {
    let sqlite = FreshSqlite::create();
    three_arms(&Shop::open(&sqlite.address()).await).await;
    let Some(postgres) = FreshPostgres::create().await else { return skipped() };
    three_arms(&Shop::open(&postgres.address()).await).await;
    postgres.drop_database().await;
}

#[tokio::test]
async fn a_table_in_parquet_is_the_same_table() {
    let sqlite = FreshSqlite::create();
    from_parquet(&mut Shop::open(&sqlite.address()).await).await;
    let Some(postgres) = FreshPostgres::create().await else { return skipped() };
    from_parquet(&mut Shop::open(&postgres.address()).await).await;
    postgres.drop_database().await;
}

#[tokio::test]
async fn a_killed_import_goes_on_and_ends_the_same() {
    let sqlite = FreshSqlite::create();
    killed(&Shop::open(&sqlite.address()).await).await;
    let Some(postgres) = FreshPostgres::create().await else { return skipped() };
    killed(&Shop::open(&postgres.address()).await).await;
    postgres.drop_database().await;
}
