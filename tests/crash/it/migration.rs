//! The power fails while a file takes a newer form: it is found in the form before or after, never between, and the next opening
//! finishes the work. By the same mechanism as every file of a device and of headquarters.

use daftar_crash::{Medium, watch, watch_quietly};
use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};

use crate::cuts::{Files, Played, lay_out};
use crate::world::scratch;

const FORMS: [&str; 3] = [
    "CREATE TABLE record(id INTEGER PRIMARY KEY, text TEXT NOT NULL);",
    "CREATE TABLE note(record INTEGER PRIMARY KEY, text TEXT NOT NULL); INSERT INTO note SELECT id, text FROM record; DROP TABLE record;",
    "ALTER TABLE note ADD COLUMN at INTEGER NOT NULL DEFAULT 7; CREATE INDEX note_at ON note(at); UPDATE note SET at = record;",
];
const RECORDS: i64 = 400;

fn migrations(forms: usize) -> Migrations<'static> {
    Migrations::new(FORMS[..forms].iter().map(|sql| M::up(sql)).collect())
}

fn open(path: &std::path::Path) -> Connection {
    let conn = Connection::open(path).expect("opened");
    // A key as it is, as the real files have it: no password is stretched at each opening.
    let key = format!("PRAGMA key = \"x'{}'\";", "5a".repeat(32));
    conn.execute_batch(&key).expect("a key");
    conn.execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=8;").expect("set");
    conn
}

/// The form that a file is in, if all of it is.
fn form(conn: &Connection) -> Option<i64> {
    let one = |sql: &str| conn.query_row(sql, [], |r| r.get::<_, i64>(0)).ok();
    let version = one("PRAGMA user_version")?;
    let is_whole = match version {
        1 => one("SELECT count(*) FROM record")? == RECORDS && one("SELECT count(*) FROM note").is_none(),
        2 => {
            one("SELECT count(*) FROM note")? == RECORDS
                && one("SELECT count(*) FROM record").is_none()
                && one("SELECT at FROM note").is_none()
        }
        3 => one("SELECT count(*) FROM note WHERE at = record")? == RECORDS,
        _ => false,
    };
    (is_whole && one("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'")? == 1).then_some(version)
}

fn judge(what: &str, files: &Files, now: &i64, next: &i64) {
    let dir = scratch();
    lay_out(files, dir.path());
    let _quick = watch_quietly(dir.path());
    let mut conn = open(&dir.path().join("a.db"));
    let found = form(&conn).unwrap_or_else(|| panic!("{what}: the file is in no form"));
    assert!((*now..=*next).contains(&found), "{what}: form {found}, and {now} was said");
    migrations(3).to_latest(&mut conn).unwrap_or_else(|e| panic!("{what}: the next opening: {e}"));
    assert_eq!(form(&conn), Some(3), "{what}: the next opening finishes the work");
}

#[test]
fn a_file_is_in_its_form_before_or_after_a_migration_whenever_the_power_fails() {
    let dir = scratch();
    let disk = watch(dir.path());
    let path = dir.path().join("a.db");
    let mut conn = open(&path);
    migrations(1).to_latest(&mut conn).expect("the first form");
    let fill = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {RECORDS})
        INSERT INTO record SELECT i, printf('%0*d', 300, i) FROM n;"
    );
    conn.execute_batch(&fill).expect("filled");
    let first = disk.len();
    let mut marks = vec![(first, 1)];
    for to in [2, 3] {
        migrations(to).to_latest(&mut conn).expect("a newer form");
        marks.push((disk.len(), to as i64));
    }
    drop(conn);
    let states = Played { before: Medium::default(), ops: disk.ops(), first, marks }.each_state("a migration", 60, judge);
    assert!(states >= 60, "only {states} states were judged");
}
