//! The one place that prints. Progress and faults go to standard error, results to standard output.

use std::time::Duration;

/// A line of a result, or of a program that we run.
#[expect(clippy::print_stdout, reason = "xtask is a developer's command: what it prints is its product")]
pub fn line(text: &str) {
    println!("{text}");
}

/// A stage begins.
pub fn begin(name: &str) {
    eprintln!("── {name}");
}

/// A stage ended well.
pub fn done(name: &str, took: Duration) {
    eprintln!("   {name} done in {}", seconds(took));
}

/// Something worth knowing in between.
pub fn note(text: &str) {
    eprintln!("   {text}");
}

/// What went wrong, and what to do.
pub fn fault(text: &str) {
    eprintln!("{text}");
}

/// `12.3 s`.
pub fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}
