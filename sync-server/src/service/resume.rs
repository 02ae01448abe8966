//! What a device has of a message that was cut is not said again: it is sent the rest. Only of what it would be sent anyway.

use daftar_wire::message::{Answer, Begun, FrameReader};

/// Beginnings that a device has, as its hello says; each is gone on with once.
pub(super) struct Resume(Vec<Option<Begun>>);

impl Resume {
    pub(super) fn new(begun: Vec<Begun>) -> Self {
        Self(begun.into_iter().map(Some).collect())
    }

    /// The answer, or the rest of it.
    pub(super) fn rest_of(&mut self, answer: Answer) -> Answer {
        if self.0.iter().all(Option::is_none) {
            return answer;
        }
        let mut reader = FrameReader::default();
        reader.push(&answer.write());
        let Ok(Some(message)) = reader.next() else { return answer };
        for (which, slot) in (0u8..).zip(&mut self.0) {
            let length = slot.and_then(|b| usize::try_from(b.bytes).ok());
            let Some((begun, rest)) = length.and_then(|n| message.split_at_checked(n)) else { continue };
            if !rest.is_empty() && *slot == Some(Begun::of(begun)) {
                *slot = None;
                return Answer::Rest(which, rest.to_vec());
            }
        }
        answer
    }
}
