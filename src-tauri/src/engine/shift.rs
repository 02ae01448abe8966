//! The home screen's calls: post, crew, today. The chosen post and crew are the officer's settings, not records.

use daftar_core::record::Kind;
use daftar_core::record::reference::{OfficerView, PostView};
use daftar_device::Store;

use super::fault::ui;
use super::record::row;
use super::{Engine, card};
use crate::dto::officer::OfficerCard;
use crate::dto::shift::{ShiftCounts, ShiftHome, ShiftInput};
use crate::error::UiResult;

/// What the home screen shows of today: what an officer writes a form for.
const HOME_KINDS: [Kind; 3] = [Kind::Inspection, Kind::Seizure, Kind::SurveillanceNote];
/// Rows of today on the home screen.
const TODAY_MAX: usize = 50;
/// Records of the reference that are looked through for posts and people.
const REFERENCE_MAX: usize = 5000;
/// A shift's day begins at midnight of UTC+5.
const OFFSET_MS: u64 = 5 * 3_600_000;
const DAY_MS: u64 = 24 * 3_600_000;

/// What an officer chose for his shift.
#[derive(Debug, Clone, Default)]
pub(super) struct Shift {
    pub(super) post: Option<String>,
    pub(super) crew: Vec<String>,
}

impl Engine {
    /// The chosen post and crew; the officer himself, and the team's only post, where nothing was chosen.
    pub(super) fn shift(&self, store: &Store) -> UiResult<Shift> {
        let kept = self.device()?.keyring().setting(&key(store)).map_err(ui)?;
        let shift = kept.map(|k| {
            let (post, crew) = k.split_once(' ').unwrap_or((&k, ""));
            Shift {
                post: Some(post.to_owned()).filter(|p| !p.is_empty()),
                crew: crew.split(',').filter(|c| !c.is_empty()).map(str::to_owned).collect(),
            }
        });
        let mut shift = shift.unwrap_or_default();
        if shift.crew.is_empty() {
            shift.crew.push(store.session().officer.handle.clone());
        }
        if shift.post.is_none() {
            shift.post = posts(store)?.into_iter().next().map(|p| p.code);
        }
        Ok(shift)
    }

    pub fn put_shift(&self, input: ShiftInput) -> UiResult<()> {
        let store = self.store()?;
        let kept = format!("{} {}", input.post.unwrap_or_default(), input.crew.join(","));
        self.device()?.keyring().set_setting(&key(&store), &kept).map_err(ui)
    }

    pub fn shift_home(&self) -> UiResult<ShiftHome> {
        let store = self.store()?;
        let shift = self.shift(&store)?;
        let people = people(&store)?;
        let now = self.device()?.now_ms();
        let since = (now + OFFSET_MS) / DAY_MS * DAY_MS - OFFSET_MS;
        let page = store.list(&HOME_KINDS, None, TODAY_MAX).map_err(ui)?;
        let today = page.items.iter().map(row).filter(|r| r.at_ms >= i64::try_from(since).unwrap_or(0)).collect();
        let count = |kind| store.count_since(kind, since).map(|n| u32::try_from(n).unwrap_or(u32::MAX)).map_err(ui);
        Ok(ShiftHome {
            team: store.session().officer.team.clone().unwrap_or_default(),
            post: shift.post.clone(),
            posts: posts(&store)?.into_iter().map(|p| p.code).collect(),
            crew: shift.crew.iter().filter_map(|handle| people.iter().find(|p| p.code == *handle).cloned()).collect(),
            today,
            counts: ShiftCounts {
                stops: count(Kind::Inspection)?,
                finds: count(Kind::Seizure)?,
                notes: count(Kind::SurveillanceNote)?,
                needs_decision: super::sync::conflicts(&store)?,
            },
            people,
            drafts: self.drafts()?,
        })
    }
}

fn key(store: &Store) -> String {
    format!("shift.{}", store.officer())
}

/// A post of the team, with its place as degrees.
pub(super) struct Post {
    pub(super) code: String,
    pub(super) place: Option<serde_json::Value>,
}

/// The posts of the officer's team.
pub(super) fn posts(store: &Store) -> UiResult<Vec<Post>> {
    let team = store.session().officer.team.clone();
    let page = store.list(&[Kind::Post], None, REFERENCE_MAX).map_err(ui)?;
    let mut posts: Vec<Post> = page
        .items
        .iter()
        .filter(|p| PostView(&p.state.fields).team() == team.as_deref())
        .filter_map(|p| Some(Post { code: PostView(&p.state.fields).code()?.to_owned(), place: p.data().get("place").cloned() }))
        .collect();
    posts.sort_by(|a, b| a.code.cmp(&b.code));
    Ok(posts)
}

/// The team's officers, the unlocked one first.
fn people(store: &Store) -> UiResult<Vec<OfficerCard>> {
    let me = &store.session().officer;
    let page = store.list(&[Kind::Officer], None, REFERENCE_MAX).map_err(ui)?;
    let text = |t: Option<&str>| t.unwrap_or_default().to_owned();
    let mut people: Vec<OfficerCard> = page
        .items
        .iter()
        .map(|p| (p, OfficerView(&p.state.fields)))
        .filter(|(_, o)| o.team().is_some() && o.team() == me.team.as_deref() && o.handle() != Some(&me.handle))
        .map(|(p, o)| OfficerCard {
            id: p.record.to_string(),
            code: text(o.handle()),
            name: text(o.full_name()),
            agency: text(o.agency()),
            team: text(o.team()),
            role: text(o.role()),
        })
        .collect();
    people.sort_by(|a, b| a.name.cmp(&b.name));
    people.insert(0, card(me));
    Ok(people)
}
