//! What the screens may ask, one file a noun. A command unpacks, calls and maps; it never decides.

pub mod admit;
pub mod draft;
pub mod encounter;
pub mod file;
pub mod officer;
pub mod pack;
pub mod record;
pub mod settings;
pub mod shift;
pub mod start;
pub mod sync;
