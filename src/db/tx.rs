//! The one transaction value.

use std::sync::Arc;

use sqlx::pool::PoolConnection;
use sqlx::{Arguments as _, AssertSqlSafe, Postgres, Sqlite};

use super::row::Native;
use super::statement::{Members, Shape};
use super::{Engine, Error, Result, Row, Statement, Value, coverage, packed};

/// An open transaction. [`Tx::commit`] keeps its work; dropping it rolls back.
pub struct Tx {
    /// Present until commit, rollback or drop takes it.
    conn: Option<Conn>,
    /// A statement failed. PostgreSQL would turn a commit into a silent rollback.
    failed: bool,
    /// Rows that queries gave.
    given: u32,
}

pub(super) enum Conn {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

/// Runs the same expression on whichever connection is there.
macro_rules! each {
    ($conn:expr, $c:ident => $body:expr) => {
        match $conn {
            Conn::Sqlite($c) => $body,
            Conn::Postgres($c) => $body,
        }
    };
}

impl Conn {
    async fn control(&mut self, sql: &'static str) -> Result<()> {
        each!(self, c => sqlx::raw_sql(sql).execute(&mut **c).await.map(drop)).map_err(Error::from)
    }

    fn poison(&mut self) {
        each!(self, c => c.close_on_drop());
    }

    fn engine(&self) -> Engine {
        match self {
            Self::Sqlite(_) => Engine::Sqlite,
            Self::Postgres(_) => Engine::Postgres,
        }
    }
}

/// Multi-row statements are cut into these sizes and any smaller one: a batch of ordinary size is one
/// statement, and the distinct texts to prepare stay few.
const CUTS: [usize; 4] = [512, 256, 128, 96];
/// Lists are at most this long.
const LIST_MAX: usize = 512;
/// Parameters in one statement; SQLite's compiled-in limit is 32,766.
const PARAMETERS_MAX: usize = 32_000;

impl Tx {
    /// Begins on a fresh connection; one whose begin failed is closed, not reused.
    ///
    /// The connection belongs to the transaction from before the begin, so that a caller who goes
    /// away in the middle of it leaves a rollback behind and not a connection inside a transaction.
    pub(super) async fn begin(conn: Conn, begin: &'static str) -> Result<Self> {
        let mut tx = Self { conn: Some(conn), failed: false, given: 0 };
        if let Some(conn) = &mut tx.conn
            && let Err(error) = conn.control(begin).await
        {
            conn.poison();
            tx.conn = None;
            return Err(error);
        }
        Ok(tx)
    }

    /// The engine underneath, for the rare text that differs in shape.
    pub fn engine(&self) -> Engine {
        self.conn.as_ref().expect("a transaction has its connection until it ends").engine()
    }

    /// How many rows the queries of this transaction gave: what a use case costs, whatever the machine.
    pub const fn rows_given(&self) -> u32 {
        self.given
    }

    /// Runs a statement; answers the number of rows it changed.
    pub async fn execute(&mut self, statement: Statement, values: Vec<Value>) -> Result<u64> {
        self.check_arity(statement, values.len())?;
        self.run(statement, Shape::Plain, values).await
    }

    /// Runs a multi-row insert over all rows, in as few statements as the parameter limit allows.
    /// Every row must have the same number of values. No rows: nothing happens.
    pub async fn execute_rows(
        &mut self,
        statement: Statement,
        rows: Vec<Vec<Value>>,
    ) -> Result<u64> {
        let Some(columns) = rows.first().map(Vec::len) else { return Ok(0) };
        let mut changed = 0;
        let mut left = rows.into_iter();
        while left.len() > 0 {
            let count = cut(left.len(), columns);
            let mut values = Vec::with_capacity(count * columns);
            for row in left.by_ref().take(count) {
                let found = row.len();
                if found != columns {
                    return Err(Error::Arity { name: statement.name, expected: columns, found });
                }
                values.extend(row);
            }
            changed += self.run(statement, Shape::Rows { rows: count, columns }, values).await?;
        }
        Ok(changed)
    }

    /// All rows of a query.
    pub async fn fetch(&mut self, statement: Statement, values: Vec<Value>) -> Result<Vec<Row>> {
        self.check_arity(statement, values.len())?;
        self.query_many(statement, Shape::Plain, values).await
    }

    /// The first row of a query, if any.
    pub async fn fetch_optional(
        &mut self,
        statement: Statement,
        values: Vec<Value>,
    ) -> Result<Option<Row>> {
        self.check_arity(statement, values.len())?;
        Ok(self.query(statement, Shape::Plain, values).await?.into_iter().next())
    }

    /// The one row of a query; [`Error::NoRow`] when there is none.
    pub async fn fetch_one(&mut self, statement: Statement, values: Vec<Value>) -> Result<Row> {
        let row = self.fetch_optional(statement, values).await?;
        row.ok_or(Error::NoRow(statement.name))
    }

    /// All rows of a query with `in ({list})`, the list cut into bounded pieces. The fixed values
    /// come first. Order across pieces is the list's; a row comes once per piece that names it.
    pub async fn fetch_list(
        &mut self,
        statement: Statement,
        fixed: Vec<Value>,
        list: Vec<Value>,
    ) -> Result<Vec<Row>> {
        self.check_arity(statement, fixed.len())?;
        let mut rows = Vec::new();
        for piece in list.chunks(LIST_MAX) {
            let (shape, values) = listed(self.engine(), &fixed, piece);
            rows.extend(self.query_many(statement, shape, values).await?);
        }
        Ok(rows)
    }

    /// Runs a statement with `in ({list})`; answers the number of rows changed.
    pub async fn execute_list(
        &mut self,
        statement: Statement,
        fixed: Vec<Value>,
        list: Vec<Value>,
    ) -> Result<u64> {
        self.check_arity(statement, fixed.len())?;
        let mut changed = 0;
        for piece in list.chunks(LIST_MAX) {
            let (shape, values) = listed(self.engine(), &fixed, piece);
            changed += self.run(statement, shape, values).await?;
        }
        Ok(changed)
    }

    /// Makes the work durable. A connection whose commit failed is closed, not reused.
    pub async fn commit(mut self) -> Result<()> {
        let Some(conn) = &mut self.conn else { return Err(Error::Aborted) };
        let done = if self.failed {
            end(conn).await;
            Err(Error::Aborted)
        } else {
            conn.control("commit").await.inspect_err(|_| conn.poison())
        };
        self.conn = None;
        done
    }

    /// Begins a second time on the same connection, which every engine's driver must refuse.
    #[cfg(test)]
    pub(super) async fn begin_again(&mut self) -> Result<()> {
        self.conn.as_mut().ok_or(Error::Aborted)?.control("begin immediate").await
    }

    /// Throws the work away, and waits until that is done.
    pub async fn rollback(mut self) {
        if let Some(mut conn) = self.conn.take() {
            end(&mut conn).await;
        }
    }

    fn check_arity(&self, statement: Statement, found: usize) -> Result<()> {
        let expected = statement.arity(self.engine());
        // SQLite would read a missing parameter as NULL without a word.
        if expected == found {
            return Ok(());
        }
        Err(Error::Arity { name: statement.name, expected, found })
    }

    async fn run(&mut self, statement: Statement, shape: Shape, values: Vec<Value>) -> Result<u64> {
        let sql = AssertSqlSafe(statement.expanded(self.engine(), shape));
        let conn = self.conn.as_mut().ok_or(Error::Aborted)?;
        let done = match conn {
            Conn::Sqlite(c) => {
                let query = sqlx::query_with(sql, sqlite_arguments(values)?);
                query.execute(&mut **c).await.map(|done| done.rows_affected())
            }
            Conn::Postgres(c) => {
                let query = sqlx::query_with(sql, postgres_arguments(values)?);
                query.execute(&mut **c).await.map(|done| done.rows_affected())
            }
        };
        self.note(statement, done)
    }

    /// Many rows: on SQLite as one, where the statement allows it.
    async fn query_many(
        &mut self,
        statement: Statement,
        shape: Shape,
        values: Vec<Value>,
    ) -> Result<Vec<Row>> {
        let conn = self.conn.as_mut().ok_or(Error::Aborted)?;
        let (Conn::Sqlite(c), Some((sql, names))) = (conn, statement.packed(shape)) else {
            return self.query(statement, shape, values).await;
        };
        let query = sqlx::query_scalar_with(AssertSqlSafe(sql), sqlite_arguments(values)?);
        let packed: std::result::Result<Option<String>, _> = query.fetch_one(&mut **c).await;
        let Some(packed) = self.note(statement, packed)? else { return Ok(Vec::new()) };
        let rows = packed::unwrap(&packed, names.len())?.into_iter();
        self.given = self.given.saturating_add(rows.len() as u32);
        Ok(rows.map(|values| Row(Native::Packed { names: Arc::clone(&names), values })).collect())
    }

    async fn query(
        &mut self,
        statement: Statement,
        shape: Shape,
        values: Vec<Value>,
    ) -> Result<Vec<Row>> {
        let sql = AssertSqlSafe(statement.expanded(self.engine(), shape));
        let conn = self.conn.as_mut().ok_or(Error::Aborted)?;
        let rows = match conn {
            Conn::Sqlite(c) => {
                let query = sqlx::query_with(sql, sqlite_arguments(values)?);
                let rows = query.fetch_all(&mut **c).await;
                rows.map(|rows| rows.into_iter().map(|r| Row(Native::Sqlite(r))).collect())
            }
            Conn::Postgres(c) => {
                let query = sqlx::query_with(sql, postgres_arguments(values)?);
                let rows = query.fetch_all(&mut **c).await;
                rows.map(|rows| rows.into_iter().map(|r| Row(Native::Postgres(r))).collect())
            }
        };
        let rows: Vec<Row> = self.note(statement, rows)?;
        self.given = self.given.saturating_add(rows.len() as u32);
        Ok(rows)
    }

    fn note<T>(
        &mut self,
        statement: Statement,
        outcome: std::result::Result<T, sqlx::Error>,
    ) -> Result<T> {
        match outcome {
            Ok(value) => {
                coverage::ran(self.engine(), statement);
                Ok(value)
            }
            Err(error) => {
                self.failed = true;
                Err(error.into())
            }
        }
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        let Some(mut conn) = self.conn.take() else { return };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(async move { end(&mut conn).await })),
            Err(_) => conn.poison(),
        }
    }
}

async fn end(conn: &mut Conn) {
    if conn.control("rollback").await.is_err() {
        conn.poison();
    }
}

/// How many of `left` rows of `columns` values go into the next statement.
fn cut(left: usize, columns: usize) -> usize {
    let fits = |size: &usize| *size <= left && size * columns.max(1) <= PARAMETERS_MAX;
    CUTS.into_iter().find(fits).unwrap_or_else(|| left.min(CUTS[CUTS.len() - 1] - 1))
}

/// The values of a list statement. On SQLite one array; elsewhere its last member is repeated up to a power
/// of two, which changes nothing about `in` and leaves few distinct texts to prepare.
fn listed(engine: Engine, fixed: &[Value], members: &[Value]) -> (Shape, Vec<Value>) {
    if engine == Engine::Sqlite {
        let of = match members.first() {
            Some(Value::Bytes(_)) => Members::Bytes,
            _ => Members::Plain,
        };
        let array: serde_json::Value = members.iter().map(in_json).collect();
        let values = fixed.iter().cloned().chain([Value::from(array.to_string())]);
        return (Shape::Array(of), values.collect());
    }
    let count = members.len().next_power_of_two();
    let repeated = members.iter().chain(members.last().into_iter().cycle()).take(count);
    (Shape::List(count), fixed.iter().chain(repeated).cloned().collect())
}

/// A member of an array; nothing is equal to no member, as in a list.
fn in_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Int(value) => (*value).into(),
        Value::Real(value) => (*value).into(),
        Value::Text(value) => value.as_deref().into(),
        Value::Bytes(value) => value.as_deref().map(faster_hex::hex_string).into(),
    }
}

macro_rules! arguments {
    ($name:ident, $type:ty) => {
        fn $name(values: Vec<Value>) -> Result<$type> {
            let mut arguments = <$type>::default();
            for value in values {
                let added = match value {
                    Value::Int(v) => arguments.add(v),
                    Value::Real(v) => arguments.add(v),
                    Value::Text(v) => arguments.add(v),
                    Value::Bytes(v) => arguments.add(v),
                };
                added.map_err(|source| Error::Driver(sqlx::Error::Encode(source)))?;
            }
            Ok(arguments)
        }
    };
}
arguments!(sqlite_arguments, sqlx::sqlite::SqliteArguments);
arguments!(postgres_arguments, sqlx::postgres::PgArguments);
