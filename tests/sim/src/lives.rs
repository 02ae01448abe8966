//! Headquarters' lives: backups, restores, a folder that was put back, and what of its own acts it knows by then. Never tells a device.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use daftar_core::compartment::Compartment;
use daftar_core::ids::{ChangeName, Epoch, OfficerId};
use daftar_core::record::Kind;
use daftar_core::record::reference::GrantView;
use daftar_sync_server::keys::Folder;
use daftar_sync_server::store::feed;
use daftar_sync_server::store::meta::{self, Doubt};
use daftar_sync_server::{backup, restore};

use crate::broken::{Broken, Checked};
use crate::fault::Fault;
use crate::folder::copy;
use crate::hq::Hq;
use crate::policy::{self, Grants, May};
use crate::tablet::Tablet;
use crate::world::World;

/// Backups and copies of a headquarters' folder.
#[derive(Debug, Default)]
pub(crate) struct Lives {
    /// Its last backup.
    backup: Option<PathBuf>,
    /// A copy of its folder.
    copy: Option<PathBuf>,
    /// Backups and copies so far.
    kept: u32,
    /// Restores so far.
    pub(crate) restored: u32,
    /// How often its folder was put back.
    pub(crate) set_back: u32,
    /// How often it noticed that.
    noticed: u32,
    /// The life in which its folder was put back, while it has noticed nothing.
    unnoticed: Option<Epoch>,
    /// How many changes of its own it held when it was last asked what it has given to whom; `None`: it lost some since.
    words: Option<u64>,
}

impl Lives {
    /// How often it lost what it had.
    pub(crate) fn lost(&self) -> u64 {
        u64::from(self.restored + self.set_back)
    }

    /// How often what it says of itself changed: it lost something, or noticed it.
    pub(crate) fn turns(&self) -> u64 {
        self.lost() + u64::from(self.noticed)
    }

    pub(crate) fn has_backup(&self) -> bool {
        self.backup.is_some()
    }

    pub(crate) fn has_copy(&self) -> bool {
        self.copy.is_some()
    }
}

impl Hq {
    fn beside(&mut self, what: &str) -> PathBuf {
        self.lives.kept += 1;
        self.folder().with_file_name(format!("{what}.{}", self.lives.kept))
    }

    /// Writes a backup; the one before is of no use any more.
    pub(crate) fn back_up(&mut self) -> Checked {
        let to = self.beside("hq-backup");
        fs::create_dir_all(&to)?;
        let file = backup::backup(&self.hq(), &to.join("backup"))?.file;
        if let Some(before) = self.lives.backup.replace(file).as_deref().and_then(|f| f.parent()) {
            fs::remove_dir_all(before)?;
        }
        Ok(())
    }

    /// Puts the last backup in the place of its database.
    pub(crate) fn restore(&mut self) -> Checked {
        let from = self.lives.backup.clone().ok_or_else(|| Broken("there is no backup".into()))?;
        self.lives.restored += 1;
        (self.lives.words, self.lives.unnoticed) = (None, None);
        self.stopped(|folder, clock| Ok(restore::restore(&Folder::new(folder), &from, clock).map(drop)?))
    }

    /// An administrator has seen to what was revoked since the backup.
    pub(crate) fn confirm(&self) -> Checked<bool> {
        Ok(restore::confirm(&self.hq())?)
    }

    /// Whether it was restored and nobody has confirmed it: it takes what comes and sends nothing.
    pub(crate) fn is_unconfirmed(&self) -> Checked<bool> {
        Ok(self.hq().store.read(|tx| meta::doubt(tx, Doubt::Restored))?.is_some())
    }

    /// Which life it is in.
    pub(crate) fn epoch(&self) -> Checked<Epoch> {
        Ok(self.hq().life()?.epoch)
    }

    /// Somebody copies its folder.
    pub(crate) fn copy(&mut self) -> Checked {
        let to = self.beside("hq-copy");
        copy(self.folder(), &to)?;
        self.lives.copy = Some(to);
        Ok(())
    }

    /// Somebody puts the copy in the folder's place, and tells nobody.
    pub(crate) fn set_back(&mut self) -> Checked {
        let from = self.lives.copy.take().ok_or_else(|| Broken("there is no copy".into()))?;
        self.lives.set_back += 1;
        self.lives.words = None;
        self.stopped(|folder, _| {
            fs::remove_dir_all(folder)?;
            Ok(fs::rename(from, folder)?)
        })?;
        self.lives.unnoticed = Some(self.epoch()?);
        Ok(())
    }

    /// How many changes of its own it holds in these compartments.
    pub(crate) fn own_words<'a>(&self, of: impl IntoIterator<Item = &'a Compartment>) -> Checked<u64> {
        let mut words = 0;
        for c in of {
            let heads = self.hq().store.read(|tx| match meta::compartment(tx, c)? {
                Some(place) => feed::stream_heads(tx, &place),
                None => Ok(Vec::new()),
            })?;
            words += heads.iter().filter(|h| h.device == self.id()).map(|h| h.n).sum::<u64>();
        }
        Ok(words)
    }

    /// What it has given to whom in a compartment, by its own changes that it holds: of two the later stands, by the stamps.
    pub(crate) fn given(&self, c: &Compartment) -> Checked<Grants> {
        let mut last: BTreeMap<OfficerId, _> = BTreeMap::new();
        let own = self.id();
        for held in self.feed_of(c, |device| *device == own)? {
            let change = held.entry.read(c)?;
            let v = GrantView(&change.payload.set);
            let Some(officer) = v.officer().filter(|_| change.header.kind == Kind::Grant).and_then(|o| o.try_into().ok()) else { continue };
            let may = May { read: v.read() == Some(true), write: v.write() == Some(true) };
            let said = ((change.header.stamp, change.name), Some(may).filter(|_| v.active() != Some(false)));
            let known = last.entry(OfficerId(officer)).or_insert(said);
            if known.0 < said.0 {
                *known = said;
            }
        }
        Ok(last.into_iter().filter_map(|(officer, (_, may))| Some((officer, may?))).collect())
    }
}

impl World {
    /// Headquarters holds other acts of its own than it did, since it was restored or put back, or since a device brought some: what it has given
    /// to whom is what these say. Whether it has noticed that it was put back is seen here too.
    pub(crate) fn follow_life(&mut self) -> Checked {
        if self.hq.lives.lost() == 0 {
            return Ok(());
        }
        if self.hq.lives.unnoticed.is_some_and(|was| self.hq.epoch().is_ok_and(|now| now != was)) {
            self.hq.lives.unnoticed = None;
            self.hq.lives.noticed += 1;
            self.happened(Fault::SetBackNoticed);
            self.trace.say(format!("{:05} headquarters notices that it was put back", self.steps));
        }
        let all = policy::compartments()?;
        let words = self.hq.own_words(&all)?;
        if self.hq.lives.words.replace(words) == Some(words) {
            return Ok(());
        }
        for c in all {
            for officer in self.policy.relive(&c, &self.hq.given(&c)?) {
                self.touched(&officer, &c);
                let may = match self.policy.may(&officer, &c) {
                    None => "nothing",
                    Some(May { read: _, write: true }) => "write",
                    Some(May { read: _, write: false }) => "read",
                };
                let who = self.tablets.iter().flat_map(|t| &t.people).find(|p| p.id == officer).map_or("rogue", |p| &p.handle);
                self.trace.say(format!("{:05} for headquarters {who} may {may} in {c}", self.steps));
            }
        }
        Ok(())
    }

    /// A step may be the one in which headquarters notices that it was put back.
    pub(crate) fn expect_unaware(&mut self) {
        if self.hq.lives.set_back > 0 {
            self.expect_error("a device's cursor is beyond or beside this feed");
            self.expect_error("this server's database was set back without a restore");
            self.expect_error("this server may have been set back again");
        }
    }

    /// A device on which he is enrolled may purge the compartment now, or fetch it from its beginning.
    pub(crate) fn touched(&mut self, officer: &OfficerId, c: &Compartment) {
        for tablet in self.tablets.iter_mut().filter(|t| t.people.iter().any(|p| p.id == *officer)) {
            tablet.may_lose.insert(c.clone());
            // With the file goes the stamp after which its next one comes.
            tablet.disk.stamps.remove(c);
        }
    }

    /// The changes of officers that headquarters holds.
    pub(crate) fn names(&self) -> Checked<BTreeSet<ChangeName>> {
        let compartments: BTreeSet<&Compartment> = self.model.records().keys().map(|(c, _)| c).collect();
        let mut names = BTreeSet::new();
        for c in compartments {
            names.extend(self.hq.counted(c)?.into_keys().filter(|n| self.model.fact(n).is_some()));
        }
        Ok(names)
    }

    /// Those of these changes that nobody is sure to hold: what a device was to purge it may have purged.
    pub(crate) fn orphans(&self, of: &BTreeSet<ChangeName>) -> BTreeSet<ChangeName> {
        let mut sure: BTreeSet<ChangeName> = self.model.facts().filter(|f| f.device == self.rogue.id()).map(|f| f.name).collect();
        for tablet in &self.tablets {
            let keeps = |c: &Compartment| self.keeps(tablet, c);
            sure.extend(tablet.disk.held.iter().filter(|((c, _), _)| keeps(c)).flat_map(|(_, names)| names));
            let own = tablet.disk.own.iter().filter(|n| self.model.fact(n).is_some_and(|f| keeps(&f.compartment)));
            sure.extend(own.filter(|n| self.model.fact(n).is_some_and(|f| !self.is_touched(tablet, &f.compartment))));
        }
        of.difference(&sure).copied().collect()
    }

    /// Whether a device keeps the file of a compartment: somebody there reads it, and nobody was given or refused it lately.
    pub(crate) fn keeps(&self, tablet: &Tablet, c: &Compartment) -> bool {
        !tablet.may_lose.contains(c) && tablet.people.iter().any(|p| self.policy.may(&p.id, c).is_some_and(|may| may.read))
    }

    /// What may be on a device, closed or not, although headquarters gives it to nobody who is unlocked there.
    pub(crate) fn left(&self, t: usize) -> BTreeSet<Compartment> {
        let tablet = &self.tablets[t];
        let Some(officer) = tablet.person().map(|p| p.id) else { return BTreeSet::new() };
        let locked = tablet.locked.get(&officer).into_iter().flatten().filter(|_| self.hq.lives.lost() > 0);
        let mut left = self.policy.had(&officer);
        left.extend(locked.cloned());
        left.difference(&self.policy.reads(&officer)).cloned().collect()
    }

    fn is_touched(&self, tablet: &Tablet, c: &Compartment) -> bool {
        tablet.people.iter().any(|p| self.policy.is_touched(&p.id, c))
    }
}
