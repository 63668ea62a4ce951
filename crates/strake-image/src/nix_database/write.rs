//! Writes a database in which just one closure is registered.

use rusqlite::{Connection, MAIN_DB, params};
use strake_plan::Closure;

/// Why a database could not be made.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct DatabaseError(#[from] rusqlite::Error);

/// The tables, indexes and triggers, by the names that Nix uses.
const SCHEMA: &str = "
    create table ValidPaths (
        id integer primary key autoincrement not null,
        path text unique not null,
        hash text not null,
        registrationTime integer not null,
        deriver text,
        narSize integer,
        ultimate integer,
        sigs text,
        ca text
    );
    create table Refs (
        referrer integer not null,
        reference integer not null,
        primary key (referrer, reference),
        foreign key (referrer) references ValidPaths(id) on delete cascade,
        foreign key (reference) references ValidPaths(id) on delete restrict
    );
    create index IndexReferrer on Refs(referrer);
    create index IndexReference on Refs(reference);
    create trigger DeleteSelfRefs before delete on ValidPaths
        begin
            delete from Refs where referrer = old.id and reference = old.id;
        end;
    create table DerivationOutputs (
        drv integer not null,
        id text not null,
        path text not null,
        primary key (drv, id),
        foreign key (drv) references ValidPaths(id) on delete cascade
    );
    create index IndexDerivationOutputs on DerivationOutputs(path);
";

/// The bytes of a database that holds the closure and nothing else; always the same for the same closure.
///
/// Paths are numbered in the order of their names and registered at time 1, as dockerTools does. NAR hashes that are
/// not known are registered as empty, which Nix does not accept, so the caller must know them.
pub fn write(closure: &Closure) -> Result<Vec<u8>, DatabaseError> {
    let mut connection = Connection::open_in_memory()?;
    let transaction = connection.transaction()?;
    transaction.execute_batch(SCHEMA)?;
    {
        let mut path = transaction.prepare(
            "insert into ValidPaths (id, path, hash, registrationTime, narSize) values (?, ?, ?, 1, ?)",
        )?;
        for (info, id) in closure.paths().iter().zip(1_i64..) {
            let hash = info.nar_hash.map(|hash| format!("sha256:{}", hash.hex())).unwrap_or_default();
            // SQLite's integers are signed; no file system holds more.
            path.execute(params![id, info.path.as_str(), hash, info.nar_size.cast_signed()])?;
        }
        let mut reference = transaction.prepare("insert into Refs (referrer, reference) values (?, ?)")?;
        for (info, node) in closure.paths().iter().zip(0..) {
            let mut targets = closure.graph().targets(node).to_vec();
            if info.refers_to_itself {
                targets.push(node);
                targets.sort_unstable();
            }
            for target in targets {
                reference.execute(params![i64::from(node) + 1, i64::from(target) + 1])?;
            }
        }
    }
    transaction.commit()?;
    Ok(connection.serialize(MAIN_DB)?.to_vec())
}
