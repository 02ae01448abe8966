//! The workloads: what an officer and his device do, step by step. Each step is one act; what it says when it ends well is true for ever.

pub mod drafts;
pub mod feed;
pub mod keyring;
pub mod saving;
pub mod sending;

use daftar_device::Result;

use crate::desk::Desk;
use crate::world::{Age, World};

/// One act.
pub type Step = fn(&World, &mut Desk) -> Result<()>;

/// Some acts in a row.
pub struct Workload {
    pub name: &'static str,
    /// The home that it begins with.
    pub age: Age,
    /// The power may fail while the home is opened, too; otherwise from the first act on.
    pub opens: bool,
    pub steps: Vec<Step>,
    /// At most so many places where the power fails, beside every sync, truncation and name.
    pub writes_max: usize,
}

/// Acts of an officer who has unlocked a home with work in it.
pub fn acts(name: &'static str, steps: &[Step]) -> Workload {
    Workload { name, age: Age::Worked, opens: false, steps: steps.to_vec(), writes_max: 8 }
}

/// Acts that begin with the opening.
pub fn from_opening(name: &'static str, age: Age, steps: &[Step]) -> Workload {
    Workload { name, age, opens: true, steps: steps.to_vec(), writes_max: 8 }
}

impl Workload {
    pub fn with_writes(self, writes_max: usize) -> Self {
        Self { writes_max, ..self }
    }
}
