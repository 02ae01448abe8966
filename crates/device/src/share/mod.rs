//! What another device may be given of this one, and how what it gives is taken: between two devices on one network, and in a gift that
//! somebody carries. Knows neither sockets nor files. Never gives a byte of a compartment, its name included, for which no officer of the
//! other device has a grant by the newest reference here; never believes more than signatures say.

mod files;
mod give;
mod readers;
mod take;

pub use files::{Bringer, FileWord, FilesIn, FilesTook, GaveFile, give_file};
pub use give::{Gave, give, heads};
pub use readers::{Readers, Stranger, readers, readers_with_key};
pub use take::{Took, take_receipt, take_segment};
