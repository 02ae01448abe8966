//! What the engines logged as an ERROR: each one that no step expects fails the run. Never prints.

use std::fmt::Write as _;
use std::sync::{Mutex, Once, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

static HEARD: Mutex<Vec<String>> = Mutex::new(Vec::new());
static INSTALL: Once = Once::new();

struct Ear;

impl<S: Subscriber> Layer<S> for Ear {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() == Level::ERROR {
            let mut said = Said(String::new());
            event.record(&mut said);
            HEARD.lock().unwrap_or_else(PoisonError::into_inner).push(said.0);
        }
    }
}

struct Said(String);

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}

/// Begins to listen, for this process.
pub fn listen() {
    INSTALL.call_once(|| {
        let ear = tracing_subscriber::registry().with(Ear.with_filter(LevelFilter::ERROR));
        // Where a test harness has its own subscriber, that one stays.
        let _ = tracing::subscriber::set_global_default(ear);
    });
    let _ = taken();
}

/// What was logged since the last call.
pub fn taken() -> Vec<String> {
    std::mem::take(&mut *HEARD.lock().unwrap_or_else(PoisonError::into_inner))
}
