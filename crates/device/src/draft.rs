//! An officer's own file: the forms that he has begun, and where his last completed exchange stood. Never holds a record.

use daftar_core::compartment::Compartment;
use daftar_core::ids::RecordId;
use daftar_core::record::Kind;
use rusqlite::{Connection, OptionalExtension, params};
use rusqlite_migration::{M, Migrations};

use crate::database::{Database, Held};
use crate::device::Shared;
use crate::error::{Error, Result};
use crate::keyring::Session;
use crate::sql::{int, uint};
use crate::vault::file::{keep_as_it_is, open_encrypted};
use crate::vault::{finish_salvages, salvaged_drafts};

/// A form has at most so many bytes.
pub const DRAFT_BYTES_MAX: usize = 1024 * 1024;

const MIGRATIONS: &[M<'static>] = &[M::up(
    "CREATE TABLE draft(
         record BLOB PRIMARY KEY, kind INTEGER NOT NULL, compartment TEXT, amends INTEGER NOT NULL, form BLOB NOT NULL, kept_ms INTEGER NOT NULL
     );
     CREATE TABLE confirmed(one INTEGER PRIMARY KEY CHECK (one = 1), cursors BLOB NOT NULL);",
)];

/// A form that was begun and not saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The id that the record will have, or has.
    pub record: RecordId,
    /// Its kind.
    pub kind: Kind,
    /// Where it will go, once that is chosen.
    pub compartment: Option<Compartment>,
    /// The form amends a record that is there.
    pub amends: bool,
    /// What was typed, in the form's own writing.
    pub form: Vec<u8>,
    /// When it was last kept, in milliseconds of UTC.
    pub kept_ms: u64,
}

/// The officer's own file.
pub struct OwnFile {
    db: Database,
}

impl OwnFile {
    /// Opens the file. One that is damaged or gone never stops an officer: it is set aside, and another is begun with the forms that can
    /// still be read.
    pub(crate) fn open(shared: &Shared, session: &Session) -> Result<Self> {
        match Self::opened(shared, session) {
            Err(Error::Damaged { .. }) if session.own_made => {
                begin_again(shared, session)?;
                Self::opened(shared, session)
            }
            opened => opened,
        }
    }

    fn opened(shared: &Shared, session: &Session) -> Result<Self> {
        let (path, key) = (shared.home.own(&session.own_file), session.own_key.clone());
        let mut conn = open_encrypted(&path, &session.own_key, !session.own_made, usize::MAX, "drafts")?;
        Migrations::from_slice(MIGRATIONS).to_latest(&mut conn).inspect_err(|_| keep_as_it_is(&conn))?;
        // A damaged page is met now and not in the midst of a form; the file is small.
        let said = conn.query_row("PRAGMA integrity_check(1)", [], |r| r.get::<_, String>(0)).map_err(Error::from);
        let said = said.inspect_err(|_| keep_as_it_is(&conn))?;
        if said != "ok" {
            keep_as_it_is(&conn);
            return Err(Error::Damaged { what: "drafts".into() });
        }
        if !session.own_made {
            shared.keyring.own_file_made(&session.officer.id)?;
        }
        let open = move || open_encrypted(&path, &key, false, usize::MAX, "drafts");
        Ok(Self { db: Database::over(conn, shared.home.reserve().clone(), open) })
    }

    fn conn(&self) -> Held<'_> {
        self.db.conn()
    }

    /// The forms that were begun, the latest first.
    pub fn drafts(&self) -> Result<Vec<Draft>> {
        let conn = self.conn();
        let mut rows = conn.prepare_cached("SELECT record, kind, compartment, amends, form, kept_ms FROM draft ORDER BY kept_ms DESC")?;
        let drafts = rows.query_map([], draft)?.collect::<rusqlite::Result<_>>()?;
        Ok(drafts)
    }

    /// One of them.
    pub fn draft(&self, record: &RecordId) -> Result<Option<Draft>> {
        let sql = "SELECT record, kind, compartment, amends, form, kept_ms FROM draft WHERE record = ?1";
        Ok(self.conn().prepare_cached(sql)?.query_row([record.0], draft).optional()?)
    }

    /// Keeps a form as it stands; on a full medium in the room of the reserve.
    pub fn keep_draft(&self, d: &Draft) -> Result<()> {
        if d.form.len() > DRAFT_BYTES_MAX {
            return Err(Error::Input(format!("the form has {} bytes, at most {DRAFT_BYTES_MAX}", d.form.len())));
        }
        match self.put_draft(d) {
            Err(Error::StorageFull) => self.put_draft(d),
            kept => kept,
        }
    }

    fn put_draft(&self, d: &Draft) -> Result<()> {
        self.db.write(|tx| insert(tx, d))
    }

    /// Throws a form away: it was saved, or the officer says so.
    pub fn delete_draft(&self, record: &RecordId) -> Result<()> {
        self.db.write(|tx| Ok(tx.execute("DELETE FROM draft WHERE record = ?1", [record.0]).map(drop)?))
    }

    pub(crate) fn confirmed(&self) -> Result<Option<Vec<u8>>> {
        Ok(self.conn().query_row("SELECT cursors FROM confirmed", [], |r| r.get(0)).optional()?)
    }

    pub(crate) fn set_confirmed(&self, cursors: &[u8]) -> Result<()> {
        self.db.write(|tx| Ok(tx.execute("INSERT OR REPLACE INTO confirmed(one, cursors) VALUES (1, ?1)", [cursors]).map(drop)?))
    }
}

/// Begins another file in place of a damaged one, whose forms are taken over where their pages are whole.
fn begin_again(shared: &Shared, session: &Session) -> Result<()> {
    let (home, path) = (&shared.home, shared.home.own(&session.own_file));
    let set_aside = home.set_aside(&path)?;
    let (drafts, broken) = salvaged_drafts(&path, &session.own_key)?;
    let mut conn = open_encrypted(&home.fresh(&path)?, &session.own_key, true, usize::MAX, "drafts")?;
    Migrations::from_slice(MIGRATIONS).to_latest(&mut conn)?;
    let tx = conn.transaction()?;
    drafts.iter().try_for_each(|d| insert(&tx, d))?;
    tx.commit()?;
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    drop(conn);
    home.fresh_is_ready(&path)?;
    finish_salvages(shared)?;
    let (forms, kept) = (drafts.len(), set_aside.as_deref().unwrap_or("nowhere: it was gone"));
    tracing::error!(forms, broken, kept, "the file of begun forms was damaged; those that could be read were taken over");
    Ok(())
}

fn insert(conn: &Connection, d: &Draft) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO draft(record, kind, compartment, amends, form, kept_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT(record) DO UPDATE SET compartment = excluded.compartment, form = excluded.form, kept_ms = excluded.kept_ms",
    )?
    .execute(params![
        d.record.0,
        d.kind.number(),
        d.compartment.as_ref().map(Compartment::as_str),
        d.amends,
        d.form,
        int(d.kept_ms)
    ])?;
    Ok(())
}

fn draft(r: &rusqlite::Row<'_>) -> rusqlite::Result<Draft> {
    Ok(Draft {
        record: RecordId(r.get(0)?),
        kind: Kind::from_number(r.get(1)?),
        compartment: r.get::<_, Option<String>>(2)?.and_then(|c| c.parse().ok()),
        amends: r.get(3)?,
        form: r.get(4)?,
        kept_ms: uint(r.get(5)?),
    })
}
