//! The shapes that the screens see, one file a noun, exported to ui/shared/generated. Never a type of the engine itself.

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
