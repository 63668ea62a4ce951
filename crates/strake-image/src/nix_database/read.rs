//! Reads closures out of a machine's database.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use strake_plan::closure::{ClosureError, Row};
use strake_plan::{Closure, StorePath};

use crate::limits::{MAX_DATABASE_MEMORY, MAX_DATABASE_ROWS, MAX_DATABASE_STEPS};
use crate::store::Store;

/// Why a closure could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The database is not there, or cannot be read as it is now: somebody writes into it and we may not take part, or
    /// it is another version's.
    #[error("cannot read the Nix database {}", path.display())]
    Database {
        /// The database's file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store does not know the path.
    #[error("{path} is not valid in the store below {}", root.display())]
    NotValid {
        /// The path.
        path: StorePath,
        /// The location of the store.
        root: PathBuf,
    },
    /// The database's content is not a closure.
    #[error("the Nix database {} {source}", path.display())]
    Closure {
        /// The database's file.
        path: PathBuf,
        /// The reason.
        source: ClosureError,
    },
}

/// The paths that are reached from a list of names, which is bound as JSON.
const CLOSURE: &str = "
    with recursive reached(id) as (
        select id from ValidPaths where path in (select value from json_each(?1))
        union
        select reference from Refs join reached on referrer = reached.id
    )
    select id, path, narSize, hash from ValidPaths where id in reached";

const REFERENCES: &str = "select referrer, reference from Refs";

/// The closure of the roots, by the store's database.
pub fn closure(store: &Store, roots: &[StorePath]) -> Result<Closure, ReadError> {
    let state = super::state_directory(store.dir());
    let path = store.root().join(state.trim_start_matches('/')).join("db/db.sqlite");
    let failed = |source| ReadError::Database { path: path.clone(), source };
    let rows = rows(&path, roots).map_err(failed)?;
    let known: HashSet<&str> = rows.iter().map(|row| row.path.as_str()).collect();
    if let Some(root) = roots.iter().find(|root| !known.contains(root.as_str())) {
        return Err(ReadError::NotValid { path: root.clone(), root: store.root().to_owned() });
    }
    Closure::new(store.dir().clone(), rows).map_err(|source| ReadError::Closure { path, source })
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Reads in the ordinary way, which sees what a writer has committed but not yet moved from the log. Without permission
/// to write beside the database `SQLite` can do that only while somebody else has it open; then, as long as there is no
/// log, the file alone is the database.
fn rows(path: &Path, roots: &[StorePath]) -> Result<Vec<Row>, Failure> {
    let ordinary = open(path, "mode=ro").and_then(|connection| read(&connection, roots));
    let Err(error) = ordinary else { return ordinary };
    let before = unlogged(path)?;
    let Some(before) = before else { return Err(error) };
    let rows = open(path, "mode=ro&immutable=1").and_then(|connection| read(&connection, roots))?;
    if unlogged(path)? == Some(before) { Ok(rows) } else { Err(error) }
}

/// The state of a database whose log is absent or empty. `None` if there is something in the log.
fn unlogged(path: &Path) -> io::Result<Option<(u64, std::time::SystemTime)>> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    match fs::metadata(PathBuf::from(log)) {
        Ok(metadata) if metadata.len() > 0 => return Ok(None),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let metadata = fs::metadata(path)?;
    Ok(Some((metadata.len(), metadata.modified()?)))
}

fn open(path: &Path, parameters: &str) -> Result<Connection, Failure> {
    fs::metadata(path)?;
    let text = path.to_str().ok_or("its name is not UTF-8")?;
    let escaped: String = text
        .chars()
        .map(|character| match character {
            '%' | '?' | '#' => format!("%{:02x}", u32::from(character)),
            other => other.to_string(),
        })
        .collect();
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(format!("file:{escaped}?{parameters}"), flags)?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    bound(&mut connection)?;
    Ok(connection)
}

/// Bounds what a database can cost, which may be anybody's.
fn bound(connection: &mut Connection) -> rusqlite::Result<()> {
    connection
        .pragma_update_and_check(None, "hard_heap_limit", MAX_DATABASE_MEMORY.cast_signed(), |_| Ok(()))?;
    // Nothing that the database says of itself calls a function that does something.
    connection.pragma_update(None, "trusted_schema", false)?;
    let mut steps = 0;
    let handler = move || {
        steps += u64::from(STEPS.unsigned_abs());
        steps > MAX_DATABASE_STEPS
    };
    connection.progress_handler(STEPS, Some(handler))
}

/// Bytes of a store path's name, or of a hash, at most: a store directory, and 211 for the name in there.
const MAX_NAME_LENGTH: usize = 1024;

/// The number of steps between two checks of their number.
const STEPS: i32 = 100_000;

/// Whether the tables that are read are tables: a view, a virtual table or a generated column is a program, which could
/// do anything and never end.
fn are_tables(connection: &Connection) -> rusqlite::Result<bool> {
    let tables = "select count(*) from sqlite_schema where type = 'table' and rootpage > 0
        and name collate nocase in ('ValidPaths', 'Refs')";
    let computed = "select count(*) from (select hidden from pragma_table_xinfo('ValidPaths')
        union all select hidden from pragma_table_xinfo('Refs')) where hidden != 0";
    let count = |query| connection.query_row(query, [], |row| row.get::<_, i64>(0));
    Ok(count(tables)? == 2 && count(computed)? == 0)
}

fn read(connection: &Connection, roots: &[StorePath]) -> Result<Vec<Row>, Failure> {
    // Both queries must see one state.
    let transaction = connection.unchecked_transaction()?;
    if !are_tables(&transaction)? {
        return Err("its ValidPaths and Refs are not plain tables".into());
    }
    let names = serde_json::to_string(&roots.iter().map(StorePath::as_str).collect::<Vec<_>>())?;
    let mut places = HashMap::new();
    let mut rows = Vec::new();
    let mut statement = transaction.prepare(CLOSURE)?;
    let mut found = statement.query([names])?;
    while let Some(row) = found.next()? {
        let path: String = row.get(1)?;
        let hash: String = row.get(3)?;
        if path.len().max(hash.len()) > MAX_NAME_LENGTH {
            return Err("it has a path or a hash that is longer than any store's".into());
        }
        if rows.len() == MAX_DATABASE_ROWS {
            return Err("the closure has more than 1048576 store paths".into());
        }
        places.insert(row.get::<_, i64>(0)?, rows.len());
        rows.push(Row {
            path,
            nar_size: row.get::<_, Option<i64>>(2)?.and_then(|size| size.try_into().ok()).unwrap_or(0),
            nar_hash: Some(hash),
            references: Vec::new(),
        });
    }
    let mut references = 0;
    let mut statement = transaction.prepare(REFERENCES)?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        let (Some(&referrer), Some(&reference)) = (places.get(&row.get(0)?), places.get(&row.get(1)?)) else {
            continue;
        };
        references += 1;
        if references > MAX_DATABASE_ROWS {
            return Err("the closure has more than 1048576 references".into());
        }
        let name = rows[reference].path.clone();
        rows[referrer].references.push(name);
    }
    Ok(rows)
}
