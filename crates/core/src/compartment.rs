//! The compartment: a set of records with one audience. Never says who is in the audience: that is `authorize`.

use std::fmt;
use std::str::FromStr;

/// A name has at most so many bytes.
pub const COMPARTMENT_NAME_BYTES_MAX: usize = 96;

/// One of the three agencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Agency {
    /// State Security Service.
    Sss,
    /// Ministry of Interior.
    Moi,
    /// State Customs Committee.
    Scc,
}

impl Agency {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Sss, Self::Moi, Self::Scc];

    /// The code in names and files.
    pub fn code(self) -> &'static str {
        match self {
            Self::Sss => "sss",
            Self::Moi => "moi",
            Self::Scc => "scc",
        }
    }
}

impl FromStr for Agency {
    type Err = BadCompartment;
    fn from_str(s: &str) -> Result<Self, BadCompartment> {
        Self::ALL.into_iter().find(|a| a.code() == s).ok_or_else(|| BadCompartment(s.chars().take(80).collect()))
    }
}

/// A text that names no compartment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the name of a compartment")]
pub struct BadCompartment(pub String);

/// A compartment's name, checked.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Compartment(String);

/// What sort of audience a compartment has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience<'a> {
    /// `team/<team>`: the team's officers of all agencies, OCT and HQ.
    Team(&'a str),
    /// `agency/<agency>/<team>`: that agency's officers of the team and its head office.
    Agency(Agency, &'a str),
    /// `operation/<id>`: the named teams and officers.
    Operation(&'a str),
    /// `reference`: everybody reads, HQ writes.
    Reference,
    /// `watchlist/<list>`: the cleared officers read, HQ writes.
    Watchlist(&'a str),
    /// `hits/<list>`: devices write, HQ reads.
    Hits(&'a str),
    /// `audit/<agency>`: devices write, HQ reads.
    Audit(Agency),
}

fn slug(s: &str) -> bool {
    !s.is_empty()
        && s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !s.starts_with('-')
        && !s.ends_with('-')
}

impl Compartment {
    /// The compartment that everybody reads and HQ writes.
    pub fn reference() -> Self {
        Self("reference".into())
    }

    /// The team's own.
    pub fn team(team: &str) -> Result<Self, BadCompartment> {
        format!("team/{team}").parse()
    }

    /// An agency's own within a team.
    pub fn agency(agency: Agency, team: &str) -> Result<Self, BadCompartment> {
        format!("agency/{}/{team}", agency.code()).parse()
    }

    /// A joint operation's.
    pub fn operation(id: &str) -> Result<Self, BadCompartment> {
        format!("operation/{id}").parse()
    }

    /// The name as it is written everywhere.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What sort of audience it has.
    pub fn audience(&self) -> Audience<'_> {
        classify(&self.0).expect("a Compartment is made only from a name that classifies")
    }
}

fn classify(s: &str) -> Option<Audience<'_>> {
    if s == "reference" {
        return Some(Audience::Reference);
    }
    let (head, rest) = s.split_once('/')?;
    match head {
        "team" if slug(rest) => Some(Audience::Team(rest)),
        "operation" if slug(rest) => Some(Audience::Operation(rest)),
        "watchlist" if slug(rest) => Some(Audience::Watchlist(rest)),
        "hits" if slug(rest) => Some(Audience::Hits(rest)),
        "audit" => rest.parse().ok().map(Audience::Audit),
        "agency" => {
            let (agency, team) = rest.split_once('/')?;
            slug(team).then_some(Audience::Agency(agency.parse().ok()?, team))
        }
        _ => None,
    }
}

impl FromStr for Compartment {
    type Err = BadCompartment;
    fn from_str(s: &str) -> Result<Self, BadCompartment> {
        if s.len() <= COMPARTMENT_NAME_BYTES_MAX && classify(s).is_some() {
            Ok(Self(s.to_owned()))
        } else {
            Err(BadCompartment(s.chars().take(80).collect()))
        }
    }
}

impl fmt::Display for Compartment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Compartment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_seven_forms_name_a_compartment() {
        for good in ["reference", "team/imt-1", "agency/moi/imt-2", "operation/op-shamol", "watchlist/plates", "hits/plates", "audit/scc"] {
            assert_eq!(good.parse::<Compartment>().map(|c| c.to_string()).as_deref(), Ok(good));
        }
        for bad in ["", "team", "team/", "team/IMT-1", "team/../x", "agency/fbi/imt-1", "agency/moi", "other/x", "team/a/b", "reference/"] {
            assert!(bad.parse::<Compartment>().is_err(), "{bad} must not name a compartment");
        }
    }
}
