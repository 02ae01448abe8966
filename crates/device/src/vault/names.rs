//! Where a change stands, by its name. The index follows behind the saves, so that none of them pays for it; whoever asks is answered
//! from it and from what it has not reached yet. Never decides what a change means.

use daftar_core::ids::ChangeName;
use rusqlite::{Connection, params};

use super::log;
use crate::error::Result;
use crate::sql::{int, uint};

/// Whoever asks first has the index catch up when it is so far behind.
const BEHIND_MAX: u64 = 4096;

/// Streams with changes that the index has not reached: row, and the last number that it has.
fn behind(conn: &Connection) -> Result<Vec<(i64, u64, u64)>> {
    let mut rows = conn.prepare_cached(
        "SELECT s.id, coalesce(t.n, 0), s.n FROM stream s LEFT JOIN named_to t ON t.stream = s.id WHERE s.n > coalesce(t.n, 0)",
    )?;
    let rows = rows.query_map([], |r| Ok((r.get(0)?, uint(r.get(1)?), uint(r.get(2)?))))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Takes the changes of these places into the index.
pub(super) fn index(conn: &Connection, from: i64, to: i64) -> Result<()> {
    conn.prepare_cached(
        "INSERT OR IGNORE INTO named(name8, place) SELECT substr(name, 1, 8), place FROM change WHERE place BETWEEN ?1 AND ?2",
    )?
    .execute([from, to])?;
    Ok(())
}

/// Takes them out of it, while they are there.
pub(super) fn forget(conn: &Connection, from: i64, to: i64) -> Result<()> {
    conn.prepare_cached(
        "DELETE FROM named WHERE (name8, place) IN (SELECT substr(name, 1, 8), place FROM change WHERE place BETWEEN ?1 AND ?2)",
    )?
    .execute([from, to])?;
    Ok(())
}

/// Brings the index up to the end of every stream.
pub(super) fn follow(conn: &Connection) -> Result<()> {
    for (stream, from, to) in behind(conn)? {
        index(conn, log::place(stream, from + 1), log::place(stream, to))?;
        conn.prepare_cached("INSERT OR REPLACE INTO named_to(stream, n) VALUES (?1, ?2)")?.execute(params![stream, int(to)])?;
    }
    Ok(())
}

/// The places of a change: more than one where it came in several streams.
pub(super) fn places(conn: &Connection, name: &ChangeName) -> Result<Vec<i64>> {
    let mut behind = behind(conn)?;
    if behind.iter().map(|(_, from, to)| to - from).sum::<u64>() > BEHIND_MAX {
        follow(conn)?;
        behind.clear();
    }
    let mut rows =
        conn.prepare_cached("SELECT c.place FROM named n JOIN change c ON c.place = n.place WHERE n.name8 = ?1 AND c.name = ?2")?;
    let mut places: Vec<i64> = rows.query_map(params![&name.0[..8], name.0], |r| r.get(0))?.collect::<rusqlite::Result<_>>()?;
    let mut rows = conn.prepare_cached("SELECT place FROM change WHERE place BETWEEN ?1 AND ?2 AND name = ?3")?;
    for (stream, from, to) in behind {
        let found = rows.query_map(params![log::place(stream, from + 1), log::place(stream, to), name.0], |r| r.get(0))?;
        places.extend(found.collect::<rusqlite::Result<Vec<i64>>>()?);
    }
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_whether_the_index_has_reached_it_or_not() {
        let conn = Connection::open_in_memory().expect("memory");
        conn.execute_batch(include_str!("1.sql")).expect("the schema");
        let put = |stream: i64, n: u64, name: u8| {
            conn.execute(
                "INSERT OR REPLACE INTO stream(id, device, incarnation, own, n, head) VALUES (?1, ?1, ?1, 0, ?2, x'')",
                params![stream, int(n)],
            )
            .and_then(|_| {
                conn.execute("INSERT INTO change(place, name, header) VALUES (?1, ?2, x'')", params![log::place(stream, n), [name; 32]])
            })
            .expect("a row");
        };
        let found = |name: u8| places(&conn, &ChangeName([name; 32])).expect("readable");
        put(1, 1, 7);
        assert_eq!(found(7), [log::place(1, 1)], "before the index has it");
        follow(&conn).expect("it follows");
        put(2, 1, 7);
        put(1, 2, 8);
        assert_eq!(found(7), [log::place(1, 1), log::place(2, 1)], "one by the index, one by its tail");
        assert_eq!(found(8), [log::place(1, 2)]);
        follow(&conn).expect("it follows");
        assert_eq!((found(7).len(), found(8).len(), found(9).len()), (2, 1, 0));
    }
}
