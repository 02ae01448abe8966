//! How a compartment closes: at its lease's end, at headquarters' word, at a lock. Never before what is unsent behind it was cared for.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use daftar_core::authorize::{Action, Grant};
use daftar_core::compartment::Compartment;
use daftar_wire::message::{Admission, Ask, Revocation};

use super::file::Vault;
use super::{ContactOutcome, Store, cursor, grants, held, read, write};
use crate::device::Shared;
use crate::draft::Draft;
use crate::error::{Error, Result};
use crate::keyring::{Door, Renewal, Revoked};

/// Files whose work is sealed at the same time, at a lock.
const SEALERS_MAX: usize = 4;

/// Why a compartment's own file is not open to the officer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It is damaged or missing.
    Damaged,
    /// A colleague who holds its key, or headquarters, has to hand it over.
    Waits,
    /// The time without a contact is over; headquarters hands the key back.
    LeaseEnded,
}

/// A compartment whose own file is not open.
#[derive(Debug, Clone)]
pub(super) struct Closed {
    pub(super) file: String,
    pub(super) why: Why,
}

/// What a device says of itself in an exchange, whoever is unlocked, until one has finished.
#[derive(Debug, Default)]
pub(crate) struct Words {
    pub(crate) purged: Vec<(String, daftar_wire::message::Purged)>,
    pub(crate) admissions: Vec<Admission>,
    pub(crate) reopens: Vec<daftar_wire::message::Reopen>,
}

impl Words {
    pub(crate) fn device(shared: &Shared) -> Result<Self> {
        let now_ms = shared.lease_now_ms()?;
        Ok(Self { purged: shared.keyring.purged(now_ms)?, admissions: shared.keyring.admissions()?, reopens: Vec::new() })
    }

    /// Admissions first: what follows may be the newcomer's.
    pub(crate) fn asks(&self) -> Vec<Ask> {
        let admissions = self.admissions.iter().cloned().map(Ask::Admission);
        let purged = self.purged.iter().map(|(_, p)| Ask::Purged(p.clone()));
        admissions.chain(purged).chain(self.reopens.iter().cloned().map(Ask::Reopen)).collect()
    }

    /// The exchange in which they were said has finished.
    pub(crate) fn heard(&self, shared: &Shared) -> Result<()> {
        for (file, p) in &self.purged {
            shared.keyring.purge_heard(&p.officer, file, &p.compartment)?;
        }
        self.admissions.iter().try_for_each(|a| shared.keyring.admission_heard(&a.officer))
    }
}

/// Carries a revocation out, if nothing unsent can be behind it; says whether.
pub(crate) fn purge(shared: &Shared, r: &Revoked, is_unsent: bool) -> Result<bool> {
    if is_unsent {
        tracing::info!(file = r.file, "a revoked compartment stays until its unsent work was taken");
        return Ok(false);
    }
    shared.keyring.begin_purge(r, shared.clock.now_ms())?;
    shared.keyring.finish_purges(&shared.home)?;
    Ok(true)
}

/// So many files are sealed at the same time.
fn sealers() -> usize {
    // The outbox keeps the order in which they end: in a simulation, that of their names.
    #[cfg(feature = "simulation")]
    if crate::simulation::has_begun() {
        return 1;
    }
    std::thread::available_parallelism().map_or(1, usize::from).min(SEALERS_MAX)
}

impl Store {
    /// The officer's compartments whose file is not open to him, each with why.
    pub fn closed_why(&self) -> Vec<(Compartment, Why)> {
        read(&self.closed).iter().map(|(c, closed)| (c.clone(), closed.why)).collect()
    }

    /// The officer's compartments whose file is damaged, missing, or whose key a colleague or headquarters has to hand over.
    pub fn closed(&self) -> Vec<Compartment> {
        read(&self.closed).keys().cloned().collect()
    }

    /// The compartments that headquarters took from the officer, of which nothing is here any more, until he has seen it.
    pub fn taken_back(&self) -> Result<Vec<Compartment>> {
        let here = self.compartments();
        let mut all: Vec<Compartment> = self.shared.keyring.taken(&self.session)?.into_iter().map(|(_, c)| c).collect();
        // One that he was given again is no news.
        all.retain(|c| !here.contains(c) && !self.is_closed(c));
        all.dedup();
        Ok(all)
    }

    /// The officer has seen that this compartment was taken from him.
    pub fn taken_back_seen(&self, c: &Compartment) -> Result<()> {
        let taken = self.shared.keyring.taken(&self.session)?;
        taken.iter().filter(|(_, of)| of == c).try_for_each(|(file, _)| self.shared.keyring.taken_seen(&self.session, file))
    }

    pub(super) fn is_closed(&self, c: &Compartment) -> bool {
        read(&self.closed).contains_key(c)
    }

    pub(super) fn keep_closed(&self, c: &Compartment, file: &str, why: Why, access: Option<Grant>) {
        write(&self.closed).insert(c.clone(), Closed { file: file.to_owned(), why });
        if let Some(access) = access {
            write(&self.access).insert(c.clone(), access);
        }
    }

    /// The compartments whose feed is followed here.
    pub(crate) fn fetching(&self) -> Vec<Compartment> {
        self.compartments().into_iter().filter(|c| !self.is_closed(c)).collect()
    }

    /// The compartments whose own file can be read and sent from, or at least sent from.
    pub(crate) fn sending(&self) -> Vec<Compartment> {
        self.fetching().into_iter().chain(read(&self.leaving).keys().cloned()).collect()
    }

    /// The file to send from: an open one, or one that headquarters took back.
    pub(super) fn sending_vault(&self, c: &Compartment) -> Result<Arc<Vault>> {
        self.vault(c).or_else(|e| read(&self.leaving).get(c).cloned().ok_or(e))
    }

    /// The random names of the files that this store sends from by itself.
    pub(crate) fn sending_files(&self) -> Vec<String> {
        self.sending().iter().filter_map(|c| self.sending_vault(c).ok()).map(|v| v.name().to_owned()).collect()
    }

    /// Closes what may be read no longer because its lease is over. Work that was saved before is sealed for headquarters first.
    pub(super) fn sweep(&self) -> Result<()> {
        let now_ms = self.shared.lease_now_ms()?;
        let ended = self.shared.keyring.ending(now_ms)?;
        if ended.is_empty() {
            return Ok(());
        }
        // Another time where a file is being opened: who saves does not wait for that.
        let Ok(_one) = self.opening.try_lock() else { return Ok(()) };
        let mine: Vec<(Compartment, Arc<Vault>)> = read(&self.vaults)
            .iter()
            .filter(|(_, v)| ended.iter().any(|e| e.officer == self.officer() && e.file == v.name()))
            .map(|(c, v)| (c.clone(), v.clone()))
            .collect();
        for (c, vault) in mine {
            {
                let mut vaults = write(&self.vaults);
                self.keep_closed(&c, vault.name(), Why::LeaseEnded, None);
                vaults.remove(&c);
            }
            vault.end();
            if let Err(e) = self.sign_end(&c, &vault).and_then(|()| self.put_into_outbox(&c, &vault)) {
                tracing::error!(error = %e, "what waits could not be put into the outbox; headquarters' copy of the key leads to it");
            }
        }
        self.shared.keyring.sweep(now_ms)?;
        Ok(())
    }

    /// Attests what is the officer's, signs the own heads, and seals what waits for headquarters, so that it is sent while he is away.
    pub fn lock(&self) -> Result<()> {
        self.is_left.store(true, Ordering::Relaxed);
        let open: Vec<(Compartment, Arc<Vault>)> =
            read(&self.vaults).iter().chain(read(&self.leaving).iter()).map(|(c, v)| (c.clone(), v.clone())).collect();
        let open_n = open.len();
        let queue = Mutex::new(open.into_iter());
        let work = || {
            let mut done = Ok(());
            loop {
                let next = held(&queue).next();
                let Some((c, vault)) = next else { return done };
                // One file's trouble keeps no other's work from being sealed.
                let sealed = self.sign_end(&c, &vault).and_then(|()| self.put_into_outbox(&c, &vault));
                done = done.and(sealed);
            }
        };
        let threads = sealers().min(open_n.max(1));
        let done = std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            others
                .into_iter()
                .fold(work(), |done, t| done.and(t.join().unwrap_or_else(|_| Err(Error::Unexpected("a sealer stopped".into())))))
        });
        self.shared.keyring.write_seen(self.shared.lease_now_ms()?)?;
        done
    }

    /// Headquarters' signed word that an officer may use a compartment no more. Reading and writing end at once.
    pub(crate) fn revoked(&self, r: &Revocation) -> Result<()> {
        let _one = held(&self.opening);
        self.shared.keyring.note_revocation(r)?;
        if r.officer == self.officer() {
            write(&self.access).remove(&r.compartment);
            write(&self.let_in).remove(&r.compartment);
            let vault = write(&self.vaults).remove(&r.compartment);
            let was_closed = write(&self.closed).remove(&r.compartment).is_some();
            if let Some(vault) = vault.filter(|_| !was_closed) {
                write(&self.leaving).insert(r.compartment.clone(), vault);
            }
        }
        Ok(())
    }

    /// Carries out what was revoked and behind which nothing unsent is left. Says how many purges that were.
    pub(crate) fn purge_revoked(&self) -> Result<usize> {
        let _one = held(&self.opening);
        let mut n = 0;
        for r in self.shared.keyring.revoked()? {
            let is_unsent = match self.sending_vault(&r.compartment).ok().filter(|v| v.name() == r.file) {
                Some(_) => !self.unsent(&r.compartment)?.is_empty() || self.shared.keyring.has_boxed(&r.file)?,
                None => self.shared.keyring.has_unsent(&r.file)?,
            };
            if !is_unsent && r.officer == self.officer() {
                write(&self.leaving).remove(&r.compartment);
            }
            n += usize::from(purge(&self.shared, &r, is_unsent)?);
        }
        if n > 0 {
            self.drop_foreign_drafts(&self.shared.keyring.doors(&self.session, self.shared.lease_now_ms()?)?)?;
        }
        Ok(n)
    }

    /// What is to be said of this device and asked back for this officer.
    pub(crate) fn words(&self) -> Result<Words> {
        let doors = self.shared.keyring.doors(&self.session, self.shared.lease_now_ms()?)?;
        let open: Vec<String> = read(&self.vaults).values().map(|v| v.name().to_owned()).collect();
        Ok(Words { reopens: self.shared.keyring.reopens(&self.session, &doors, &open)?, ..Words::device(&self.shared)? })
    }

    /// The exchange in which these words were said has finished.
    pub(crate) fn heard(&self, words: &Words) -> Result<()> {
        words.heard(&self.shared)
    }

    /// How an attempt to reach headquarters went. A finished one has brought every feed to its end, and begins this officer's leases again.
    pub(super) fn contacted(&self, outcome: &ContactOutcome) -> Result<()> {
        let (clock, keyring) = (self.shared.clock.as_ref(), &self.shared.keyring);
        match outcome {
            ContactOutcome::Finished { .. } => self.renewed(true, |renewal| keyring.contacted(outcome, clock, Some(renewal))),
            ContactOutcome::Failed { .. } => keyring.contacted(outcome, clock, None),
        }
    }

    /// An answer of headquarters that came by courier was read to its end, and is newer than all that was heard before. `is_all`: nothing was
    /// left out of it.
    pub(crate) fn carried(&self, hq_time_ms: u64, is_all: bool) -> Result<()> {
        self.renewed(is_all, |renewal| self.shared.keyring.carried(hq_time_ms, renewal))
    }

    fn renewed(&self, is_all: bool, keep: impl FnOnce(&Renewal) -> Result<()>) -> Result<()> {
        let arrived = if is_all { self.arrived()? } else { Vec::new() };
        let files = arrived.iter().map(|(_, file)| file.clone()).collect();
        keep(&Renewal { officer: self.officer(), grants: self.grants_known()?, arrived: files })?;
        for (c, _) in arrived {
            write(&self.let_in).remove(&c);
            self.refresh_grant(&c)?;
        }
        Ok(())
    }

    /// Where headquarters let the officer in and all that its feed says is here now, with the files.
    fn arrived(&self) -> Result<Vec<(Compartment, String)>> {
        let let_in = read(&self.let_in).clone();
        let mut arrived = Vec::new();
        for c in self.fetching().into_iter().filter(|c| let_in.contains(c)) {
            let vault = self.vault(&c)?;
            if cursor::is_whole(&vault.conn(), &self.epoch())? {
                arrived.push((c, vault.name().to_owned()));
            }
        }
        Ok(arrived)
    }

    /// When the officer's grants end by their records, by file.
    fn grants_known(&self) -> Result<BTreeMap<String, Option<u64>>> {
        let mut grants: BTreeMap<String, Option<u64>> = BTreeMap::new();
        for c in self.compartments().iter().filter(|c| !self.is_closed(c)) {
            let vault = self.vault(c)?;
            if let Some(grant) = grants::granted(&vault.conn(), &self.officer(), &self.info.server)? {
                grants.insert(vault.name().to_owned(), grant.until_ms);
            }
        }
        // Everybody reads the reference, and as long as anything else is open to him.
        if let Some(file) = self.reference_file()
            && !grants.is_empty()
            && !grants.contains_key(&file)
        {
            let last = grants.values().copied().reduce(|a, b| a.zip(b).map(|(a, b)| a.max(b))).flatten();
            grants.insert(file, last);
        }
        Ok(grants)
    }

    fn reference_file(&self) -> Option<String> {
        let reference = Compartment::reference();
        let closed = read(&self.closed).get(&reference).map(|closed| closed.file.clone());
        closed.or_else(|| Some(self.vault(&reference).ok()?.name().to_owned()))
    }

    /// Whether a form was begun for a compartment that is not the officer's any more: it can be read and thrown away, not saved.
    pub fn is_draft_closed(&self, draft: &Draft) -> bool {
        draft.compartment.as_ref().is_some_and(|c| self.authorize(Action::Write, c).is_err())
    }

    /// A form that amends holds a copy of the record, which goes with the compartment that was taken back. A new record's form holds
    /// only what he typed himself, and stays.
    pub(super) fn drop_foreign_drafts(&self, doors: &[Door]) -> Result<()> {
        for draft in self.own.drafts()?.iter().filter(|d| d.amends) {
            if draft.compartment.as_ref().is_some_and(|c| doors.iter().all(|d| d.compartment != *c || d.is_revoked)) {
                tracing::warn!("a form that amends a record of a revoked compartment was dropped");
                self.own.delete_draft(&draft.record)?;
            }
        }
        Ok(())
    }

    /// A compartment that cannot be read now says so, and is not passed over in silence.
    pub(super) fn readable_now(&self, c: &Compartment) -> Result<()> {
        // What captures may be read by who writes it.
        let why = read(&self.closed).get(c).map(|closed| closed.why);
        match why.filter(|_| self.vault(c).is_err()) {
            Some(Why::Damaged) => Err(Error::Damaged { what: c.to_string() }),
            Some(Why::Waits | Why::LeaseEnded) => Err(Error::Closed(c.clone())),
            None => Ok(()),
        }
    }
}
