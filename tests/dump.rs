//! Everything that is in a database, as somebody who stole it would read it.

use sqlx::{
    AssertSqlSafe, Column as _, Connection as _, PgConnection, Row as _, SqliteConnection,
    TypeInfo as _, ValueRef as _,
};

/// One value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cell {
    /// A number; a real one as its bits.
    Number(i64),
    /// A text.
    Text(String),
    /// Bytes, and whatever else an engine has.
    Bytes(Vec<u8>),
}

/// One table with all its rows. NULL is left out of a row.
pub(crate) struct Table {
    /// Its name.
    pub(crate) name: String,
    /// Rows of `(column, value)`.
    pub(crate) rows: Vec<Vec<(String, Cell)>>,
}

/// Every table of the database at `address`, as [`volens::db::Db::open`] understands it.
pub(crate) async fn everything(address: &str) -> Vec<Table> {
    tables(address, |_| true).await
}

/// These tables only.
pub(crate) async fn some(address: &str, wanted: &[&str]) -> Vec<Table> {
    tables(address, |name| wanted.contains(&name)).await
}

async fn tables(address: &str, wanted: impl Fn(&str) -> bool) -> Vec<Table> {
    match address.strip_prefix("sqlite:") {
        Some(path) => sqlite(path, wanted).await,
        None => postgres(address, wanted).await,
    }
}

/// Runs SQL that is no part of the product: what a careless colleague might add.
pub(crate) async fn tamper(address: &str, sql: &str) {
    let sql = AssertSqlSafe(sql.to_owned());
    if let Some(path) = address.strip_prefix("sqlite:") {
        let mut database = open_sqlite(path).await;
        sqlx::raw_sql(sql).execute(&mut database).await.expect("the statements run");
        database.close().await.expect("the connection closes");
    } else {
        let mut database = PgConnection::connect(address).await.expect("the server answers");
        sqlx::raw_sql(sql).execute(&mut database).await.expect("the statements run");
        database.close().await.expect("the connection closes");
    }
}

async fn open_sqlite(path: &str) -> SqliteConnection {
    let address = format!("sqlite:{path}");
    SqliteConnection::connect(&address).await.expect("the file opens")
}

macro_rules! read_all {
    ($database:expr, $names:expr, $wanted:expr) => {{
        let names = sqlx::query_scalar::<_, String>($names).fetch_all(&mut $database).await;
        let mut tables = Vec::new();
        for name in names.expect("the catalog can be read") {
            if !$wanted(&name) {
                continue;
            }
            let every = AssertSqlSafe(format!("select * from {name}"));
            let found = sqlx::query(every).fetch_all(&mut $database).await.expect("a table reads");
            let mut rows = Vec::new();
            for row in &found {
                let mut cells = Vec::new();
                for column in row.columns() {
                    let at = column.ordinal();
                    let raw = row.try_get_raw(at).expect("a column of the row");
                    if raw.is_null() {
                        continue;
                    }
                    let kind = raw.type_info().name().to_owned();
                    let cell = match kind.as_str() {
                        "TEXT" | "VARCHAR" | "NAME" => {
                            Cell::Text(row.get_unchecked::<String, _>(at))
                        }
                        "INTEGER" | "INT8" => Cell::Number(row.get_unchecked::<i64, _>(at)),
                        "INT4" => Cell::Number(i64::from(row.get_unchecked::<i32, _>(at))),
                        "REAL" | "FLOAT8" => {
                            let bits = row.get_unchecked::<f64, _>(at).to_bits();
                            Cell::Number(i64::from_ne_bytes(bits.to_ne_bytes()))
                        }
                        "BLOB" | "BYTEA" => Cell::Bytes(row.get_unchecked::<Vec<u8>, _>(at)),
                        other => panic!("the dump knows no {other}: {name}.{}", column.name()),
                    };
                    cells.push((column.name().to_owned(), cell));
                }
                rows.push(cells);
            }
            tables.push(Table { name, rows });
        }
        tables
    }};
}

async fn sqlite(path: &str, wanted: impl Fn(&str) -> bool) -> Vec<Table> {
    let mut database = open_sqlite(path).await;
    let names = "select name from sqlite_schema where type in ('table', 'view') \
                 and name not like '\\_%' escape '\\' and name not like 'sqlite\\_%' escape '\\' \
                 order by name";
    read_all!(database, names, wanted)
}

async fn postgres(address: &str, wanted: impl Fn(&str) -> bool) -> Vec<Table> {
    let mut database = PgConnection::connect(address).await.expect("the server answers");
    let names = "select table_name::text from information_schema.tables \
                 where table_schema = 'public' and table_name not like '\\_%' order by table_name";
    read_all!(database, names, wanted)
}
