//! Who may do what: one function, used by server and device on every path. Holds no state; whoever asks
//! brings what is known of the officer.

use std::fmt;
use std::str::FromStr;

use crate::compartment::{Agency, Audience, Compartment};
use crate::ids::{DeviceId, OfficerId};

/// Without a contact an officer's key to a compartment stays on his device for so long.
pub const LEASE_MS: u64 = 14 * 24 * 3_600_000;
/// A leader lets an officer in for so long at most.
pub const ADMISSION_MS_MAX: u64 = 72 * 3_600_000;

/// What is to be done in a compartment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// See its records.
    Read,
    /// Add a change.
    Write,
}

/// An officer's role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Records in the field.
    Officer,
    /// Leads a team.
    Leader,
    /// On duty in the Operations Coordination Team.
    Oct,
    /// Analyses at headquarters.
    Analyst,
    /// Runs the server; reads no records.
    Admin,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 5] = [Self::Officer, Self::Leader, Self::Oct, Self::Analyst, Self::Admin];

    /// The code in commands and records.
    pub fn code(self) -> &'static str {
        match self {
            Self::Officer => "officer",
            Self::Leader => "leader",
            Self::Oct => "oct",
            Self::Analyst => "analyst",
            Self::Admin => "admin",
        }
    }

    /// May log in to the console.
    pub fn uses_console(self) -> bool {
        match self {
            Self::Officer => false,
            Self::Leader | Self::Oct | Self::Analyst | Self::Admin => true,
        }
    }
}

/// A text that is no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a role: officer, leader, oct, analyst or admin")]
pub struct BadRole(pub String);

impl FromStr for Role {
    type Err = BadRole;
    fn from_str(s: &str) -> Result<Self, BadRole> {
        Self::ALL.into_iter().find(|r| r.code() == s).ok_or_else(|| BadRole(s.chars().take(40).collect()))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// A grant as its record says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// May read.
    pub read: bool,
    /// May write.
    pub write: bool,
    /// Until this time (milliseconds of UTC); `None`: until it is taken back.
    pub until_ms: Option<u64>,
}

/// What is known of people and grants, at the server from its tables, at a device from its newest reference.
pub trait Register {
    /// True if this officer exists and is not dismissed.
    fn is_active(&self, officer: &OfficerId) -> bool;
    /// True if this officer is enrolled on this device.
    fn is_enrolled(&self, officer: &OfficerId, device: &DeviceId) -> bool;
    /// The officer's grant in a compartment.
    fn grant(&self, officer: &OfficerId, compartment: &Compartment) -> Option<Grant>;
}

/// Why something may not be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No such officer, or dismissed.
    #[error("the officer is not active")]
    NotActive,
    /// Not on this device.
    #[error("the officer is not enrolled on this device")]
    NotEnrolled,
    /// Nothing opens this compartment to him for this.
    #[error("no grant")]
    NoGrant,
    /// It was open until a time that has passed.
    #[error("the grant has ended")]
    Ended,
}

impl Denied {
    /// The code in verdicts and logs.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotActive => "author_not_active",
            Self::NotEnrolled => "author_not_enrolled",
            Self::NoGrant => "no_grant",
            Self::Ended => "grant_ended",
        }
    }
}

/// May `officer` do this in the compartment at this time (milliseconds of UTC), from this device (`None`: at the console)?
pub fn authorize(
    officer: &OfficerId,
    device: Option<&DeviceId>,
    action: Action,
    compartment: &Compartment,
    at_ms: u64,
    register: &dyn Register,
) -> Result<(), Denied> {
    if !register.is_active(officer) {
        return Err(Denied::NotActive);
    }
    if device.is_some_and(|d| !register.is_enrolled(officer, d)) {
        return Err(Denied::NotEnrolled);
    }
    if compartment.audience() == Audience::Reference && action == Action::Read {
        return Ok(());
    }
    let grant = register.grant(officer, compartment).ok_or(Denied::NoGrant)?;
    let open = match action {
        Action::Read => grant.read,
        Action::Write => grant.write,
    };
    match grant.until_ms {
        _ if !open => Err(Denied::NoGrant),
        Some(until) if at_ms > until => Err(Denied::Ended),
        Some(_) | None => Ok(()),
    }
}

/// The grant that a role brings by itself: officer and leader have their team, their agency's notes of it and the
/// operations that the team is in; OCT every team and operation; an analyst the same to read, and his agency's; an administrator none.
pub fn by_role(role: Role, agency: Agency, team: Option<&str>, compartment: &Compartment, operation_teams: &[String]) -> Option<Grant> {
    let both = Some(Grant { read: true, write: true, until_ms: None });
    let read = Some(Grant { read: true, write: false, until_ms: None });
    let own = |t: &str| team == Some(t);
    match (role, compartment.audience()) {
        (Role::Officer | Role::Leader, Audience::Team(t)) if own(t) => both,
        (Role::Officer | Role::Leader, Audience::Agency(a, t)) if own(t) && a == agency => both,
        (Role::Officer | Role::Leader, Audience::Operation(_)) if operation_teams.iter().any(|t| own(t)) => both,
        (Role::Oct, Audience::Team(_) | Audience::Operation(_)) => both,
        (Role::Analyst, Audience::Team(_) | Audience::Operation(_)) => read,
        (Role::Analyst, Audience::Agency(a, _)) if a == agency => read,
        (Role::Officer | Role::Leader | Role::Oct | Role::Analyst | Role::Admin, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct One(Option<Grant>);
    impl Register for One {
        fn is_active(&self, officer: &OfficerId) -> bool {
            officer.0 == [1; 16]
        }
        fn is_enrolled(&self, _: &OfficerId, device: &DeviceId) -> bool {
            device.0 == [2; 16]
        }
        fn grant(&self, _: &OfficerId, compartment: &Compartment) -> Option<Grant> {
            self.0.filter(|_| compartment.as_str() == "team/imt-1")
        }
    }

    fn ask(action: Action, compartment: &str, at: u64, device: Option<DeviceId>, grant: Option<Grant>) -> Result<(), Denied> {
        let compartment = compartment.parse().expect("a compartment");
        authorize(&OfficerId([1; 16]), device.as_ref(), action, &compartment, at, &One(grant))
    }

    #[test]
    fn without_a_grant_that_is_open_nothing_is_allowed_but_reading_the_reference() {
        let read = Some(Grant { read: true, write: false, until_ms: Some(100) });
        assert_eq!(ask(Action::Read, "team/imt-1", 100, Some(DeviceId([2; 16])), read), Ok(()));
        assert_eq!(ask(Action::Read, "team/imt-1", 101, Some(DeviceId([2; 16])), read), Err(Denied::Ended));
        assert_eq!(ask(Action::Write, "team/imt-1", 1, None, read), Err(Denied::NoGrant));
        assert_eq!(ask(Action::Read, "team/imt-2", 1, None, read), Err(Denied::NoGrant));
        assert_eq!(ask(Action::Read, "team/imt-1", 1, Some(DeviceId([3; 16])), read), Err(Denied::NotEnrolled));
        assert_eq!(ask(Action::Read, "reference", 1, None, None), Ok(()));
        assert_eq!(ask(Action::Write, "reference", 1, None, None), Err(Denied::NoGrant));
    }

    #[test]
    fn a_role_opens_its_own_compartments_and_no_others() {
        let c = |s: &str| s.parse::<Compartment>().expect("a compartment");
        let teams = ["imt-1".to_owned()];
        let open = |role, compartment: &str| by_role(role, Agency::Moi, Some("imt-1"), &c(compartment), &teams).is_some();
        assert!(open(Role::Officer, "team/imt-1") && open(Role::Officer, "agency/moi/imt-1") && open(Role::Leader, "operation/op-x"));
        assert!(!open(Role::Officer, "team/imt-2") && !open(Role::Officer, "agency/sss/imt-1") && !open(Role::Oct, "agency/moi/imt-1"));
        assert!(open(Role::Analyst, "agency/moi/imt-4") && !open(Role::Analyst, "agency/scc/imt-4"));
        assert!(Role::ALL.iter().all(|r| !open(*r, "watchlist/plates")) && !open(Role::Admin, "team/imt-1"));
    }
}
