//! What must have happened somewhere in a set of seeds, or the set proves nothing. A name here is a promise that some step keeps.

/// Something that must have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A device's clock in 2099.
    ClockIn2099,
    /// A device's clock in 1970.
    ClockIn1970,
    /// A device's clock stepped back.
    ClockBack,
    /// A device's clock days ahead.
    ClockAhead,
    /// A device's clock that runs fast.
    ClockDrift,
    /// Headquarters' clock wrong.
    ServerClock,
    /// A question cut.
    CutQuestion,
    /// An answer cut.
    CutAnswer,
    /// A message whose rest alone was said behind a cut.
    Resumed,
    /// A reply lost after the commit.
    ReplyLost,
    /// A question twice.
    Twice,
    /// Old segments again, reordered.
    Replay,
    /// A number wanted that is not the one that came.
    Gap,
    /// A byte altered on the way up.
    AlteredUp,
    /// A byte altered on the way down.
    AlteredDown,
    /// A captive portal.
    Portal,
    /// A busy server.
    Busy,
    /// No link, a stranger, a refusal, another status.
    LinkError,
    /// A device away for 90 days or more.
    Away90,
    /// A device away for 400 days.
    Away400,
    /// Two officers, one field.
    Conflict,
    /// A conflict settled.
    Resolved,
    /// A form saved that was opened before others wrote.
    StaleForm,
    /// A void against an amendment that did not see it.
    VoidOvertaken,
    /// A void that stands.
    Voided,
    /// A void lifted.
    Unvoided,
    /// A removed element that an amendment brought back.
    ElementRevived,
    /// An act that must be refused.
    Refused,
    /// A change that cannot be read.
    Poison,
    /// An amendment before its parent.
    ChildFirst,
    /// The parent that came later.
    ParentLate,
    /// A parent that never comes.
    ParentNever,
    /// A process killed.
    Kill,
    /// Headquarters restarted.
    ServerRestart,
    /// A colleague whose keys had not been handed over.
    DoorWaits,
    /// Another officer on the same device.
    OfficerChanged,
    /// The newest of a feed before what is before it.
    NewestFirst,
    /// Small segments joined on their way down.
    Joined,
    /// A folder cloned and both run.
    Cloned,
    /// A folder put back.
    PutBack,
    /// A grant in a further compartment.
    Granted,
    /// A grant that gives reading alone.
    GrantedToRead,
    /// A grant where there was a revocation.
    GrantedAgain,
    /// A grant to write that became one to read.
    Narrowed,
    /// A grant taken.
    Revoked,
    /// A grant taken while work was unsent behind it.
    RevokedUnsent,
    /// Work put to review: it was written after its author was refused.
    Review,
    /// A lease that ended offline.
    LeaseEnded,
    /// A contact that opened again what a lease had closed.
    LeaseRenewed,
    /// A save where reading was closed.
    Captured,
    /// A photo or another file added to a record.
    Photo,
    /// The exchange of files cut.
    FilesCut,
    /// A courier's pack read at headquarters.
    PackAnswered,
    /// Its answer read on the device.
    PackRead,
    /// An answer read once more.
    PackAgain,
    /// Another device's gift.
    PackGift,
    /// Two devices that exchanged with no server between.
    Met,
    /// The same, cut.
    MeetingCut,
    /// An officer whom a leader let in.
    Admitted,
    /// Headquarters restored from a backup.
    Restored,
    /// An exchange with a restored headquarters that nobody had confirmed.
    UploadsOnly,
    /// A copy of headquarters' folder put back.
    SetBack,
    /// Headquarters that noticed it, and began a new epoch by itself.
    SetBackNoticed,
    /// What headquarters had lost came back from who held it.
    CameBack,
    /// All devices quiet, everything compared.
    Quiet,
}

impl Fault {
    /// Whether it comes only where headquarters loses what it had.
    pub fn is_loss(self) -> bool {
        [Self::Restored, Self::UploadsOnly, Self::SetBack, Self::SetBackNoticed, Self::CameBack].contains(&self)
    }

    /// All of them, with their names.
    pub const ALL: [(Self, &'static str); 65] = [
        (Self::ClockIn2099, "clock-2099"),
        (Self::ClockIn1970, "clock-1970"),
        (Self::ClockBack, "clock-back"),
        (Self::ClockAhead, "clock-ahead"),
        (Self::ClockDrift, "clock-drift"),
        (Self::ServerClock, "server-clock"),
        (Self::CutQuestion, "cut-question"),
        (Self::CutAnswer, "cut-answer"),
        (Self::Resumed, "resumed"),
        (Self::ReplyLost, "reply-lost"),
        (Self::Twice, "twice"),
        (Self::Replay, "replay"),
        (Self::Gap, "gap"),
        (Self::AlteredUp, "altered-up"),
        (Self::AlteredDown, "altered-down"),
        (Self::Portal, "portal"),
        (Self::Busy, "busy"),
        (Self::LinkError, "link-error"),
        (Self::Away90, "away-90"),
        (Self::Away400, "away-400"),
        (Self::Conflict, "conflict"),
        (Self::Resolved, "resolved"),
        (Self::StaleForm, "stale-form"),
        (Self::VoidOvertaken, "void-overtaken"),
        (Self::Voided, "voided"),
        (Self::Unvoided, "unvoided"),
        (Self::ElementRevived, "element-revived"),
        (Self::Refused, "refused"),
        (Self::Poison, "poison"),
        (Self::ChildFirst, "child-first"),
        (Self::ParentLate, "parent-late"),
        (Self::ParentNever, "parent-never"),
        (Self::Kill, "kill"),
        (Self::ServerRestart, "server-restart"),
        (Self::DoorWaits, "door-waits"),
        (Self::OfficerChanged, "officer-changed"),
        (Self::NewestFirst, "newest-first"),
        (Self::Joined, "joined"),
        (Self::Cloned, "cloned"),
        (Self::PutBack, "put-back"),
        (Self::Granted, "granted"),
        (Self::GrantedToRead, "granted-to-read"),
        (Self::GrantedAgain, "granted-again"),
        (Self::Narrowed, "narrowed"),
        (Self::Revoked, "revoked"),
        (Self::RevokedUnsent, "revoked-unsent"),
        (Self::Review, "review"),
        (Self::LeaseEnded, "lease-ended"),
        (Self::LeaseRenewed, "lease-renewed"),
        (Self::Captured, "captured"),
        (Self::Photo, "photo"),
        (Self::FilesCut, "files-cut"),
        (Self::PackAnswered, "pack-answered"),
        (Self::PackRead, "pack-read"),
        (Self::PackAgain, "pack-again"),
        (Self::PackGift, "pack-gift"),
        (Self::Met, "met"),
        (Self::MeetingCut, "meeting-cut"),
        (Self::Admitted, "admitted"),
        (Self::Restored, "restored"),
        (Self::UploadsOnly, "uploads-only"),
        (Self::SetBack, "set-back"),
        (Self::SetBackNoticed, "set-back-noticed"),
        (Self::CameBack, "came-back"),
        (Self::Quiet, "quiet"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|e| e.0 == self).map_or("", |e| e.1)
    }

    /// The fault of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|e| e.1 == name).map(|e| e.0)
    }
}
