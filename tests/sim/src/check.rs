//! What must hold: after each step for what it touched, at quiet points for everything. Never mends, never looks away.

use std::collections::{BTreeMap, BTreeSet};

use daftar_core::compartment::Compartment;
use daftar_core::ids::{ChangeName, RecordId};
use daftar_core::merge::RecordState;
use daftar_core::record::Kind;
use daftar_core::value::Path;
use daftar_device::vault::{HistoryEntry, RecordView};
use daftar_device::{Error, Verdict};

use crate::broken::{Checked, hold};
use crate::fault::Fault;
use crate::model::State;
use crate::world::World;

/// What officers write.
const LISTED: &[Kind] = &[Kind::Inspection, Kind::Seizure, Kind::Exhibit, Kind::SurveillanceNote];
/// A stamp this far ahead of headquarters' time may start again.
const AHEAD_MS: u64 = 5 * 60_000;

impl World {
    /// A record on a device is what the model says of the changes that the device holds, and none of those has gone.
    pub fn check_record(&mut self, t: usize, c: &Compartment, record: &RecordId) -> Checked {
        let store = self.tablet(t)?.unlocked_store()?;
        let key = (c.clone(), *record);
        let before = self.tablets[t].disk.held.get(&key).cloned().unwrap_or_default();
        let view = match store.show(c, record) {
            Ok(view) => view,
            Err(Error::NoRecord(_)) => {
                let mut reviews = if before.is_empty() { BTreeSet::new() } else { self.hq.reviews(c)? };
                if self.hq.lives.lost() > 0 {
                    // A ruling that headquarters lost stands where it was heard.
                    reviews.extend(self.tablets[t].disk.review.union(&self.reviews));
                }
                let counts = before.iter().filter_map(|n| self.model.fact(n)).any(|f| !f.is_poison && !reviews.contains(&f.name));
                hold!(
                    !counts || self.tablets[t].may_lose.contains(c),
                    "{}: {} has gone from {c}",
                    self.tablets[t].label,
                    self.model.label(record)
                );
                self.tablets[t].disk.review.extend(before);
                return Ok(());
            }
            Err(e) => return Err(e.into()),
        };
        let names: BTreeSet<ChangeName> = view.history.iter().map(|h| h.change).collect();
        let label = format!("{}: {} in {c}", self.tablets[t].label, self.model.label(record));
        let lost: Vec<_> = before.difference(&names).collect();
        hold!(lost.is_empty() || self.tablets[t].may_lose.contains(c), "{label}: the device held these changes and does not now: {lost:?}");
        self.check_history(&view, &label)?;
        // What is in review stands in the history and counts for nothing.
        let in_review = |h: &&HistoryEntry| h.ruling.as_ref().is_some_and(|r| r.0 == Verdict::Review);
        let review: BTreeSet<ChangeName> = view.history.iter().filter(in_review).map(|h| h.change).collect();
        let expected = self.model.state(&names.difference(&review).copied().collect(), self.rules);
        self.tablets[t].disk.review.retain(|n| !names.contains(n));
        self.tablets[t].disk.review.extend(&review);
        self.tablets[t].disk.held.insert(key, names);
        let Some(expected) = expected else { return Ok(()) };
        compare(&expected, &view.item.state, &label)?;
        let conflicts: BTreeMap<Path, Vec<_>> = view.conflicts.iter().map(|c| (c.path.clone(), c.sides.clone())).collect();
        hold!(conflicts.keys().all(|p| expected.conflicts.contains_key(p)), "{label}: a conflict is shown that is none");
        for (holds, fault) in [
            (!expected.conflicts.is_empty(), Fault::Conflict),
            (expected.revived, Fault::VoidOvertaken),
            (expected.hidden, Fault::Voided),
            (!expected.revived_elements.is_empty(), Fault::ElementRevived),
        ] {
            if holds {
                self.happened(fault);
            }
        }
        Ok(())
    }

    /// Every change of a history is one that somebody made, as he made it, and counts.
    fn check_history(&self, view: &RecordView, label: &str) -> Checked {
        for entry in &view.history {
            let Some(fact) = self.model.fact(&entry.change) else {
                return Err(crate::broken::Broken(format!("{label}: nobody made change {}", entry.change)));
            };
            hold!(
                (fact.op, &fact.set, fact.device) == (entry.op, &entry.set.iter().cloned().collect(), entry.device)
                    && fact.parents == entry.parents.iter().copied().collect(),
                "{label}: change {} is not what was saved: {entry:?}, {fact:?}",
                entry.change
            );
            let is_right = match entry.ruling.as_ref().map(|r| r.0) {
                None | Some(Verdict::Accepted) => true,
                Some(Verdict::Review) => self.policy.was_stopped(&fact.author, &fact.compartment),
                Some(Verdict::Quarantined | Verdict::Erased) => false,
            };
            hold!(is_right, "{label}: change {} was ruled out: {:?}", entry.change, entry.ruling);
        }
        Ok(())
    }

    /// All records that a device holds, in the compartments that its officer reads, and that nothing more is listed.
    pub fn check_all_records(&mut self, t: usize) -> Checked {
        let store = self.tablet(t)?.unlocked_store()?;
        let open = self.tablets[t].open();
        let keys: Vec<(Compartment, RecordId)> = self.model.records().keys().filter(|(c, _)| open.contains(c)).cloned().collect();
        for (c, record) in keys {
            if store.find(&record)?.contains(&c) {
                self.check_record(t, &c, &record)?;
            }
        }
        Ok(())
    }

    /// What was receipted is at headquarters, and only what was receipted has left the queue.
    pub fn check_queue(&mut self, t: usize) -> Checked {
        let store = self.tablet(t)?.unlocked_store()?;
        for c in self.tablets[t].open() {
            let is_heard = self.tablets[t].disk.heard.get(&c).copied().unwrap_or(0) == self.hq.lives.turns();
            for waiting in store.unsent(&c)? {
                if !is_heard {
                    // Whoever has not heard that headquarters lost something goes by what it had.
                    self.tablets[t].disk.receipted.remove(&waiting.stream);
                    continue;
                }
                let held = waiting.from - 1;
                let at_hq = self.hq.held(&waiting.stream)?;
                hold!(held <= at_hq, "{c}: {held} changes are off the queue and headquarters has {at_hq}");
                let before = self.tablets[t].disk.receipted.insert(waiting.stream.clone(), held).unwrap_or(0);
                hold!(held >= before, "{c}: {before} changes were receipted and {held} are");
            }
        }
        Ok(())
    }

    /// A save's stamp rises, or starts again from a time that was ahead; a foreign clock moved it by no more than it may.
    pub fn check_stamp(&mut self, t: usize, c: &Compartment, record: &RecordId, name: &ChangeName) -> Checked {
        let store = self.tablet(t)?.unlocked_store()?;
        let device_now = self.tablets[t].device().now_ms();
        let view = store.show(c, record)?;
        let Some(entry) = view.history.iter().find(|h| h.change == *name) else {
            return Err(crate::broken::Broken("a change that was saved is not in its record's history".into()));
        };
        let tablet = &mut self.tablets[t];
        let last = tablet.disk.stamps.insert(c.clone(), entry.stamp);
        if let Some(last) = last {
            // By headquarters' time as the device knows it, which may be wrong itself.
            let known = entry.clock.hq_time_ms(device_now).map(|hq| hq.max(device_now));
            let was_ahead = last.ms > self.now_ms + AHEAD_MS || known.is_some_and(|known| last.ms > known.saturating_add(AHEAD_MS));
            hold!(entry.stamp > last || was_ahead, "{c}: stamp {:?} follows {last:?}", entry.stamp);
        }
        // Another's stamp was believed by the clock as it stood when that came.
        let most = tablet.latest_ms + AHEAD_MS + 1;
        hold!(entry.stamp.ms <= most, "{c}: a foreign clock moved the stamp to {}, the device's is {device_now}", entry.stamp.ms);
        Ok(())
    }

    /// Everything, once all devices have exchanged without a fault: equal audiences hold the same, and it is what the model says of all changes.
    pub fn check_quiet(&mut self, t: usize, thorough: bool) -> Checked {
        let store = self.tablet(t)?.unlocked_store()?;
        let label = self.tablets[t].label.clone();
        let readable = self.tablets[t].person().map(|p| self.policy.reads(&p.id)).unwrap_or_default();
        // What was given and is lost to headquarters, or was taken while a lease had closed it, may be there still.
        let left = self.left(t);
        let closed: Vec<_> = store.closed().into_iter().filter(|c| !left.contains(c)).collect();
        hold!(closed.is_empty(), "{label}: {closed:?} stays closed");
        let there: BTreeSet<Compartment> = store.compartments().into_iter().filter(|c| readable.contains(c) || !left.contains(c)).collect();
        hold!(there == readable, "{label}: open are {there:?}, and not {readable:?}");
        let unsent = store.compartments().iter().map(|c| store.unsent(c)).collect::<Result<Vec<_>, _>>()?.concat();
        // What is sealed behind what headquarters lost, and nobody here can open, waits for headquarters' own key.
        let is_locked = self.hq.lives.lost() > 0 && self.tablets[t].locked.values().any(|of| !of.is_empty());
        let none_waits = store.waiting()? == 0 || (is_locked && unsent.is_empty());
        hold!(none_waits, "{label}: {} changes wait after a quiet exchange: {unsent:?}", store.waiting()?);
        for c in &readable {
            hold!(store.digest(c)? == self.hq.digest(c)?, "{label}: the digest of {c} is not headquarters'");
        }
        let records: Vec<(Compartment, RecordId)> = self.model.records().keys().filter(|(c, _)| readable.contains(c)).cloned().collect();
        for (c, record) in records {
            let all: BTreeSet<ChangeName> = self.model.records()[&(c.clone(), record)].iter().copied().collect();
            let expected: BTreeSet<ChangeName> =
                all.into_iter().filter(|n| self.is_at_hq(n) && self.model.fact(n).is_some_and(|f| !f.is_poison)).collect();
            if thorough && !expected.is_empty() {
                self.check_record(t, &c, &record)?;
            }
            if expected.is_empty() && self.tablets[t].may_lose.contains(&c) {
                // Purged here, and since then lost to headquarters.
                self.tablets[t].disk.held.remove(&(c.clone(), record));
            }
            // A record of which nothing counts is shown to nobody.
            if expected.iter().all(|n| self.reviews.contains(n)) {
                continue;
            }
            let held = self.tablets[t].disk.held.get(&(c.clone(), record)).cloned().unwrap_or_default();
            hold!(
                !thorough || held == expected,
                "{label}: of {} in {c} it holds {} of {}",
                self.model.label(&record),
                held.len(),
                expected.len()
            );
            let is_known = |n: &&ChangeName| self.reviews.contains(n) == self.tablets[t].disk.review.contains(n);
            let unheard: Vec<_> = expected.iter().filter(|n| thorough && !is_known(n)).collect();
            hold!(unheard.is_empty(), "{label}: whether {unheard:?} in {c} are in review, it knows otherwise than headquarters");
        }
        if thorough {
            self.check_lists(t, &readable)?;
            self.check_photos(t, &readable)?;
            let verified = store.verify()?;
            hold!(verified.bad.is_empty(), "{label}: does not verify: {:?}", verified.bad);
        }
        Ok(())
    }

    /// Every file that is here is at headquarters, and what is said to be there is.
    fn check_photos(&self, t: usize, readable: &BTreeSet<Compartment>) -> Checked {
        let Some(store) = self.tablets[t].store() else { return Ok(()) };
        let label = &self.tablets[t].label;
        for (c, record) in self.photos.iter().filter(|(c, _)| readable.contains(c)) {
            let states = match store.file_states(c, record) {
                Err(Error::NoRecord(_)) => continue,
                states => states?,
            };
            for (i, file) in states.iter().enumerate() {
                let (is_there, is_said) = (self.hq.has_file(c, &file.sha256)?, file.at_hq_ms.is_some());
                let what = format!("file {} of {} in {c}", i + 1, self.model.label(record));
                hold!(is_there || !is_said, "{label}: {what} is said to be at headquarters and is not");
                hold!(is_said || !file.here, "{label}: {what} is here and, as far as is known, not at headquarters");
            }
        }
        Ok(())
    }

    /// The lists show every record that is not hidden, and no other; and they count the conflicts that are open.
    fn check_lists(&mut self, t: usize, readable: &BTreeSet<Compartment>) -> Checked {
        let store = self.tablet(t)?.unlocked_store()?;
        let label = self.tablets[t].label.clone();
        let held: Vec<_> = self.tablets[t].disk.held.iter().filter(|((c, _), _)| readable.contains(c)).collect();
        let review = &self.tablets[t].disk.review;
        let counts = |names: &BTreeSet<ChangeName>| names.difference(review).copied().collect();
        let states: Vec<_> =
            held.into_iter().filter_map(|((c, r), names)| Some((c.clone(), *r, self.model.state(&counts(names), self.rules)?))).collect();
        let shown: BTreeSet<(Compartment, RecordId)> = states.iter().filter(|s| !s.2.hidden).map(|s| (s.0.clone(), s.1)).collect();
        let open: BTreeSet<(Compartment, RecordId)> =
            states.iter().filter(|s| !s.2.hidden && s.2.is_in_conflict()).map(|s| (s.0.clone(), s.1)).collect();
        let listed: BTreeSet<_> =
            store.list(LISTED, None, usize::MAX)?.items.into_iter().map(|item| (item.compartment, item.record)).collect();
        hold!(
            listed == shown,
            "{label}: listed and hidden {:?}, shown and not listed {:?}",
            listed.difference(&shown).collect::<Vec<_>>(),
            shown.difference(&listed).collect::<Vec<_>>()
        );
        let asked: BTreeSet<_> = store.in_conflict()?.into_iter().map(|item| (item.compartment, item.record)).collect();
        hold!(asked == open, "{label}: in conflict are listed {asked:?} and are {open:?}");
        Ok(())
    }

    /// Whether a change can have reached headquarters.
    fn is_at_hq(&self, name: &ChangeName) -> bool {
        self.at_hq.contains(name)
    }

    /// Headquarters holds every acknowledged save once, nothing that nobody made, and verifies.
    pub fn check_hq(&mut self) -> Checked {
        self.hq.verify()?;
        let compartments: BTreeSet<Compartment> = self.model.records().keys().map(|(c, _)| c.clone()).collect();
        let (mut at_hq, mut reviews) = (BTreeSet::new(), BTreeSet::new());
        for c in compartments {
            let counted = self.hq.counted(&c)?;
            for held in self.hq.feed(&c)? {
                let made = self.model.fact(&held.name).is_some();
                // Headquarters' own grants stand in every feed.
                let is_own = held.device == self.hq.id();
                let header = daftar_wire::change::read_header(&held.entry.header);
                hold!(made || is_own, "{c}: headquarters holds change {} that nobody made: {header:?}", held.name);
            }
            let twice: Vec<_> = counted.iter().filter(|(n, times)| **times > 1 && !self.may_be_twice(n)).collect();
            hold!(twice.is_empty(), "{c}: in headquarters' feed twice: {twice:?}");
            // A bad change is judged alone, and nothing else is.
            let rulings = self.hq.rulings(&c)?;
            for review in rulings.iter().filter(|r| r.verdict == Verdict::Review) {
                let author = self.model.fact(&review.change).map(|f| f.author);
                let was_stopped = author.is_some_and(|a| self.policy.was_stopped(&a, &c));
                reviews.insert(review.change);
                hold!(was_stopped, "{c}: {} is in review, and its author was never refused anything there", review.change);
                self.happened(Fault::Review);
            }
            let ruled: BTreeSet<ChangeName> = rulings.into_iter().filter(|r| r.verdict == Verdict::Quarantined).map(|r| r.change).collect();
            let poison: BTreeSet<ChangeName> =
                counted.keys().filter(|n| self.model.fact(n).is_some_and(|f| f.is_poison)).copied().collect();
            hold!(ruled == poison, "{c}: quarantined are {ruled:?}, poison is {poison:?}");
            at_hq.extend(counted.into_keys());
        }
        for tablet in &self.tablets {
            let is_locked = |c: &Compartment| self.hq.lives.lost() > 0 && tablet.locked.values().any(|of| of.contains(c));
            let locked = |n: &ChangeName| self.model.fact(n).is_some_and(|f| is_locked(&f.compartment));
            let missing: Vec<_> = tablet.disk.own.iter().filter(|n| !at_hq.contains(n) && !self.model.is_gone(n) && !locked(n)).collect();
            hold!(missing.is_empty(), "{}: acknowledged and not at headquarters: {missing:?}", tablet.label);
            // Whatever headquarters lost came back from who holds it.
            let sure = tablet.disk.held.iter().filter(|((c, _), _)| self.keeps(tablet, c));
            let missing: Vec<_> =
                sure.flat_map(|((c, _), names)| names.iter().filter(|n| !at_hq.contains(n)).map(move |n| (c, n))).collect();
            hold!(missing.is_empty(), "{}: held there and not at headquarters: {missing:?}", tablet.label);
        }
        let away: BTreeSet<ChangeName> = self.lost.difference(&at_hq).copied().collect();
        let away: Vec<_> = away.difference(&self.orphans(&away)).copied().collect();
        hold!(away.is_empty(), "what headquarters had lost and devices held has not come back: {away:?}");
        if !std::mem::take(&mut self.lost).is_empty() {
            self.happened(Fault::CameBack);
        }
        (self.at_hq, self.reviews) = (at_hq, reviews);
        Ok(())
    }

    /// A clone's changes may stand in two streams: under one name they are one change. A headquarters that was put back takes any device
    /// for a clone.
    fn may_be_twice(&self, name: &ChangeName) -> bool {
        self.hq.lives.set_back > 0 || self.model.fact(name).is_some_and(|f| self.tablets.iter().any(|t| t.was_copied && t.id == f.device))
    }
}

/// The engine's state against the model's.
fn compare(expected: &State, state: &RecordState, label: &str) -> Checked {
    let open: BTreeMap<Path, Vec<_>> =
        state.conflicts.iter().map(|(p, sides)| (p.clone(), sides.iter().map(|s| (s.change, s.value.clone())).collect())).collect();
    hold!(state.fields == expected.fields, "{label}: fields are {:?}, by the book {:?}", state.fields, expected.fields);
    hold!(open == expected.conflicts, "{label}: in conflict are {open:?}, by the book {:?}", expected.conflicts);
    hold!(state.heads == expected.heads, "{label}: heads are {:?}, by the book {:?}", state.heads, expected.heads);
    let engine = (state.hidden, state.flags.revived, state.flags.missing_parent, state.changes as usize);
    let book = (expected.hidden, expected.revived, expected.missing_parent, expected.changes);
    hold!(engine == book, "{label}: (hidden, revived, parent missing, changes) are {engine:?}, by the book {book:?}");
    hold!(state.revived_elements == expected.revived_elements, "{label}: revived elements are {:?}", state.revived_elements);
    for (list, keys) in &expected.shown {
        let shown = state.shown_elements(*list);
        hold!(shown == *keys, "{label}: list {list} shows {shown:?}, by the book {keys:?}");
    }
    Ok(())
}
