//! What an administrator does: founds headquarters, adds teams, people and operations, gives codes. Each is one transaction. Never prints.

mod grants;
mod password;
mod verdicts;

use std::collections::BTreeMap;
use std::sync::Arc;

use daftar_core::authorize::{Grant, Role, by_role};
use daftar_core::change::Op;
use daftar_core::compartment::{Agency, Audience, Compartment};
use daftar_core::ids::{DeviceId, Epoch, Incarnation, OfficerId, RecordId};
use daftar_core::record::Kind;
use daftar_core::value::{Path, Value};
use daftar_wire::enrol::{Code, fingerprint};
use rusqlite::Connection;

use crate::blob::Blobs;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::hq::{Draft, Headquarters};
use crate::keys::{Folder, Keys};
use crate::random::random;
use crate::sample;
use crate::sql::int;
use crate::store::meta::{self, Identity, Life, Place};
use crate::store::people::{self, Officer};
use crate::store::{Store, enrolment};

pub use password::{PASSWORD_CHARS_MIN, hash as hash_password, make as make_password, matches as password_matches};
pub use verdicts::{Decided, REASON_BYTES_MAX, verdict_name};

/// A handle has at most so many characters.
pub const HANDLE_CHARS_MAX: usize = 64;
/// A name has at most so many bytes.
pub const NAME_BYTES_MAX: usize = 200;

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

fn set(fields: impl IntoIterator<Item = (u32, Value)>) -> BTreeMap<Path, Value> {
    fields.into_iter().map(|(n, v)| (Path::Field(n), v)).collect()
}

fn create(record: RecordId, kind: Kind, fields: impl IntoIterator<Item = (u32, Value)>) -> Draft {
    Draft { record, kind, op: Op::Create, set: set(fields) }
}

/// The host of `host:port`.
fn host(address: &str) -> Option<&str> {
    let (host, port) = address.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    (!host.is_empty() && port.parse::<u16>().is_ok()).then_some(host)
}

/// Founds headquarters in a folder. `sample`: with the teams, posts and operations of the demonstration.
pub fn found(folder: &Folder, address: &str, with_sample: bool, clock: Arc<dyn Clock>) -> Result<Headquarters> {
    let host = host(address).ok_or_else(|| Error::Refused(format!("`{address}` is no HOST:PORT")))?;
    if folder.database().exists() || folder.path().join("keys").exists() {
        return Err(Error::Refused(format!("{} is somebody's headquarters already", folder.path().display())));
    }
    std::fs::create_dir_all(folder.path())?;
    let keys = Keys::make(folder, host)?;
    let store = Store::open(folder.database(), keys.database.clone(), true)?;
    let device = DeviceId(RecordId::new(clock.now_ms(), random()?).0);
    let identity = Identity { device, address: address.to_owned() };
    let life = Life { epoch: Epoch(random()?), incarnation: Incarnation(random()?) };
    let blobs = Blobs::new(folder.files(), keys.database.clone());
    let hq = Headquarters { folder: folder.clone(), identity, keys, store, blobs, clock };
    hq.store.write(|tx| {
        meta::set_identity(tx, &hq.identity)?;
        meta::set_life(tx, &life)?;
        let reference = meta::add_compartment(tx, &Compartment::reference(), &life.epoch)?
            .ok_or_else(|| Error::Unexpected("a new database has a reference".into()))?;
        let own = create(
            RecordId(device.0),
            Kind::Device,
            [
                (20, text("headquarters")),
                (22, Value::Bytes(hq.keys.signing.verifying_key().to_bytes().to_vec())),
                (24, Value::Bool(true)),
                (25, Value::Int(0)),
            ],
        );
        hq.append(tx, &reference, &[own])?;
        if with_sample { sample::add(&hq, tx) } else { Ok(()) }
    })?;
    Ok(hq)
}

impl Headquarters {
    fn reference(&self, tx: &Connection) -> Result<Place> {
        meta::compartment(tx, &Compartment::reference())?.ok_or_else(|| Error::Damaged("no reference".into()))
    }

    /// Makes a compartment, if it is not there, and gives the officers what their roles bring.
    fn open_compartment(&self, tx: &Connection, name: &Compartment) -> Result<Option<Place>> {
        let Some(place) = meta::add_compartment(tx, name, &meta::life(tx)?.epoch)? else { return Ok(None) };
        let drafts = self.role_grants(tx, &place, &[])?;
        self.append(tx, &place, &drafts)?;
        Ok(Some(place))
    }

    /// What the officers' roles bring in a compartment.
    fn role_grants(&self, tx: &Connection, place: &Place, operation_teams: &[String]) -> Result<Vec<Draft>> {
        let mut drafts = Vec::new();
        for officer in people::officers(tx)?.into_iter().filter(|o| o.active) {
            if let Some(grant) = by_role(officer.role, officer.agency, officer.team.as_deref(), &place.name, operation_teams) {
                drafts.push(self.grant_draft(tx, &officer.id, place, grant)?);
            }
        }
        Ok(drafts)
    }

    /// Adds a team with its compartments. Returns the compartments that are new.
    pub(crate) fn add_team(&self, tx: &Connection, code: &str, name: &str) -> Result<Vec<Compartment>> {
        let own = Compartment::team(code).map_err(|e| Error::Refused(e.to_string()))?;
        if people::teams(tx)?.iter().any(|t| t.code == code) {
            return Err(Error::Refused(format!("team `{code}` is there already")));
        }
        let team = create(self.new_record()?, Kind::Team, [(1, text(code)), (20, text(name)), (24, Value::Bool(true))]);
        self.append(tx, &self.reference(tx)?, &[team])?;
        let mut made = Vec::new();
        let agencies = Agency::ALL.into_iter().map(|a| Compartment::agency(a, code).map_err(|e| Error::Refused(e.to_string())));
        for name in std::iter::once(Ok(own)).chain(agencies) {
            made.extend(self.open_compartment(tx, &name?)?.map(|p| p.name));
        }
        Ok(made)
    }

    /// Adds posts: code, name, latitude and longitude in degrees times 10^7.
    pub(crate) fn add_posts(&self, tx: &Connection, team: &str, posts: &[(&str, &str, i64, i64)]) -> Result<()> {
        let mut drafts = Vec::new();
        for (code, name, latitude, longitude) in posts {
            let place = vec![(1, Value::Int(*latitude)), (2, Value::Int(*longitude)), (4, text("map"))];
            let fields = [(1, text(code)), (2, text(team)), (8, Value::Map(place)), (20, text(name)), (24, Value::Bool(true))];
            drafts.push(create(self.new_record()?, Kind::Post, fields));
        }
        self.append(tx, &self.reference(tx)?, &drafts)
    }

    /// Adds a joint operation with its compartment.
    pub(crate) fn add_operation(&self, tx: &Connection, id: &str, code_name: &str, teams: &[&str]) -> Result<()> {
        let name = Compartment::operation(id).map_err(|e| Error::Refused(e.to_string()))?;
        let place = meta::add_compartment(tx, &name, &meta::life(tx)?.epoch)?
            .ok_or_else(|| Error::Refused(format!("operation `{id}` is there already")))?;
        let fields = [
            (20, text(code_name)),
            (23, Value::List(teams.iter().map(|t| text(t)).collect())),
            (24, Value::Bool(true)),
            (31, text(name.as_str())),
        ];
        let mut drafts = vec![create(self.new_record()?, Kind::JointOperation, fields)];
        let teams: Vec<String> = teams.iter().map(|t| (*t).to_owned()).collect();
        drafts.extend(self.role_grants(tx, &place, &teams)?);
        self.append(tx, &place, &drafts)
    }

    /// A grant's create, or the amendment that makes it say this.
    pub(crate) fn grant_draft(&self, tx: &Connection, officer: &OfficerId, place: &Place, grant: Grant) -> Result<Draft> {
        let before = people::grant(tx, officer, place)?;
        let (record, op) = match before {
            Some(row) => (row.id, Op::Amend),
            None => (self.new_record()?, Op::Create),
        };
        let until = grant.until_ms.map_or(Value::Null, |ms| Value::Int(int(ms)));
        let fields = [
            (20, Value::Bytes(officer.0.to_vec())),
            (21, Value::Bool(grant.read)),
            (22, Value::Bool(grant.write)),
            (23, until),
            (24, Value::Bool(true)),
            (25, text(place.name.as_str())),
        ];
        Ok(Draft { record, kind: Kind::Grant, op, set: set(fields) })
    }
}

/// The teams in the operation whose compartment this is.
fn teams_of(tx: &Connection, name: &Compartment) -> Result<Vec<String>> {
    Ok(people::operations(tx)?.into_iter().find(|o| o.compartment == name.as_str()).map_or_else(Vec::new, |o| o.teams))
}

/// A new officer, as the administrator says.
#[derive(Debug, Clone)]
pub struct NewOfficer {
    /// His unique handle.
    pub handle: String,
    /// What is shown; the handle if it is not given.
    pub full_name: Option<String>,
    /// His agency.
    pub agency: Agency,
    /// His team's code.
    pub team: Option<String>,
    /// What he does.
    pub role: Role,
    /// The console password that he was given; otherwise one is made where his role uses the console.
    pub password: Option<String>,
}

/// What was done to add an officer.
#[derive(Debug, Clone)]
pub struct Added {
    /// The officer.
    pub officer: OfficerId,
    /// The team's compartments, if it is new.
    pub new_compartments: Vec<Compartment>,
    /// What he may use.
    pub granted: Vec<Compartment>,
    /// The password that was made; nobody can read it again.
    pub password: Option<String>,
}

impl Headquarters {
    /// Adds an officer with what his role brings; a team that does not exist yet is added too.
    pub fn add_officer(&self, new: &NewOfficer) -> Result<Added> {
        check_officer(new)?;
        let made = if new.password.is_none() && new.role.uses_console() { Some(password::make()?) } else { None };
        let hash = new.password.as_deref().or(made.as_deref()).map(password::hash).transpose()?;
        self.store.write(|tx| {
            if people::officer_named(tx, &new.handle)?.is_some() {
                return Err(Error::Refused(format!("officer `{}` is there already", new.handle)));
            }
            let new_compartments = match &new.team {
                Some(team) if !people::teams(tx)?.iter().any(|t| t.code == *team) => self.add_team(tx, team, &team.to_uppercase())?,
                Some(_) | None => Vec::new(),
            };
            let record = self.new_record()?;
            let officer = OfficerId(record.0);
            let mut fields = vec![
                (1, text(&new.handle)),
                (3, text(new.agency.code())),
                (20, text(new.full_name.as_deref().unwrap_or(&new.handle))),
                (21, text(new.role.code())),
                (24, Value::Bool(true)),
            ];
            fields.extend(new.team.as_deref().map(|t| (2, text(t))));
            self.append(tx, &self.reference(tx)?, &[create(record, Kind::Officer, fields)])?;
            let mut granted = Vec::new();
            for place in meta::compartments(tx)? {
                let teams = teams_of(tx, &place.name)?;
                if let Some(grant) = by_role(new.role, new.agency, new.team.as_deref(), &place.name, &teams) {
                    self.append(tx, &place, &[self.grant_draft(tx, &officer, &place, grant)?])?;
                    granted.push(place.name);
                }
            }
            if let Some(hash) = &hash {
                enrolment::set_password(tx, &officer, hash, self.clock.now_ms())?;
            }
            Ok(Added { officer, new_compartments, granted, password: made })
        })
    }

    /// Gives a code with which one device can enrol this officer once, until `hours` from now.
    /// `all_compartments`: he is first granted reading and writing everywhere but in the reference.
    pub fn make_code(&self, handle: &str, all_compartments: bool, hours: u64) -> Result<Code> {
        let secret = random::<16>()?;
        self.store.write(|tx| {
            let officer: Officer =
                people::officer_named(tx, handle)?.filter(|o| o.active).ok_or_else(|| Error::Refused(format!("no officer `{handle}`")))?;
            if all_compartments {
                self.grant_everything(tx, &officer.id)?;
            }
            let expires_ms = self.clock.now_ms().saturating_add(hours.saturating_mul(3_600_000));
            enrolment::add_code(tx, &fingerprint(&secret), &officer.id, expires_ms)
        })?;
        let ca_sha256 = fingerprint(self.keys.authority.certificate());
        Ok(Code { address: self.identity.address.clone(), ca_sha256, secret })
    }

    fn grant_everything(&self, tx: &Connection, officer: &OfficerId) -> Result<()> {
        let all = Grant { read: true, write: true, until_ms: None };
        for place in meta::compartments(tx)? {
            // Everybody reads the reference, and headquarters alone writes it.
            let is_open = people::grant(tx, officer, &place)?.is_some_and(|g| g.active && g.grant == all);
            if place.name.audience() != Audience::Reference && !is_open {
                self.append(tx, &place, &[self.grant_draft(tx, officer, &place, all)?])?;
            }
        }
        Ok(())
    }
}

fn check_officer(new: &NewOfficer) -> Result<()> {
    let is_handle = |s: &str| s.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if new.handle.is_empty() || new.handle.len() > HANDLE_CHARS_MAX || !is_handle(&new.handle) {
        return Err(Error::Refused(format!("`{}` is no handle: at most {HANDLE_CHARS_MAX} of a-z A-Z 0-9 . _ -", new.handle)));
    }
    if new.full_name.as_ref().is_some_and(|n| n.trim().is_empty() || n.len() > NAME_BYTES_MAX) {
        return Err(Error::Refused(format!("a full name has 1 to {NAME_BYTES_MAX} bytes")));
    }
    match &new.password {
        Some(p) if p.chars().count() < PASSWORD_CHARS_MIN => {
            Err(Error::Refused(format!("a console password has at least {PASSWORD_CHARS_MIN} characters")))
        }
        Some(_) | None => Ok(()),
    }
}
