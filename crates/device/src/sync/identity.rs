//! What a device does when headquarters tells it that it was cloned, or that a stream went two ways. Never drops a change.

use std::collections::BTreeSet;

use daftar_core::compartment::Compartment;
use daftar_wire::stream::StreamId;

use crate::Error;
use crate::vault::Store;

/// What an answer said of this device's identity. It is acted on when the answer has ended, whole or cut, so that its receipts come first.
#[derive(Debug, Default)]
pub(crate) struct Identity {
    /// The device was cloned or put back.
    pub(crate) anew: bool,
    /// Streams that went two ways.
    pub(crate) forked: BTreeSet<StreamId>,
    /// Streams that were receipted with a head that is none of ours.
    pub(crate) foreign: BTreeSet<StreamId>,
}

/// What was done about that so far in a sync.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// Where a new stream was begun because of a foreign head.
    begun: BTreeSet<Compartment>,
    /// A stream that was begun since and has a foreign head again: whoever answers does not hold what we sent.
    pub(crate) unheard: Option<StreamId>,
}

impl Identity {
    /// Begins new streams where that was told; true if anything waits that may wait in one of them. A stream that is ended already, or another
    /// device's, is only compared.
    pub(crate) fn settle(self, store: &Store, mut settled: Settled) -> Result<(Settled, bool), Error> {
        let told = self.anew || !self.forked.is_empty() || !self.foreign.is_empty();
        for stream in &self.forked {
            if store.writes_to(stream)? {
                store.begin_anew(&stream.compartment)?;
            } else {
                store.suspect(&stream.compartment)?;
            }
        }
        for stream in self.foreign {
            if !store.writes_to(&stream)? {
                store.suspect(&stream.compartment)?;
            } else if settled.begun.insert(stream.compartment.clone()) {
                store.begin_anew(&stream.compartment)?;
            } else {
                settled.unheard = Some(stream);
            }
        }
        if self.anew {
            store.renew()?;
        }
        Ok((settled, told && store.waiting()? > 0))
    }
}
