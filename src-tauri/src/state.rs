//! The one engine of this process and who listens to it. Never holds a record or a key.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use daftar_device::sync::AutoSync;
use tauri::ipc::Channel;

use crate::dto::sync::WatchEvent;
use crate::engine::Engine;
use crate::error::{UiError, UiResult};

/// Nobody touched the screen for so long: the engine is locked.
pub const IDLE_LOCK: Duration = Duration::from_secs(5 * 60);

/// What every command is handed.
#[derive(Clone)]
pub struct AppState {
    engine: Arc<Engine>,
    watch: Arc<Mutex<Option<Channel<WatchEvent>>>>,
    touched: Arc<Mutex<Instant>>,
}

impl AppState {
    /// Wraps the engine.
    pub fn new(engine: Engine) -> Self {
        let state = Self { engine: Arc::new(engine), watch: Arc::default(), touched: Arc::new(Mutex::new(Instant::now())) };
        let watch = state.watch.clone();
        state.engine.told(Arc::new(move |event| tell(&watch, event)));
        state
    }

    /// Syncs by itself as long as the app runs.
    pub async fn sync_by_itself(self, clock: AutoSync) {
        self.engine.sync_by_itself(clock).await;
    }

    /// Runs engine work on a thread that may block, so that the window never waits for the disk.
    pub async fn run<T, F>(&self, work: F) -> UiResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&Engine) -> UiResult<T> + Send + 'static,
    {
        let engine = Arc::clone(&self.engine);
        match tauri::async_runtime::spawn_blocking(move || work(&engine)).await {
            Ok(result) => result,
            Err(cause) => Err(UiError::unexpected(cause)),
        }
    }

    /// The screen that wants to hear what happens unasked; a new one takes the old one's place.
    pub fn listen(&self, channel: Channel<WatchEvent>) {
        *self.watch.lock().unwrap_or_else(PoisonError::into_inner) = Some(channel);
    }

    /// Tells the screen, if one listens.
    pub fn tell(&self, event: WatchEvent) {
        tell(&self.watch, event);
    }

    /// Somebody touched the screen.
    pub fn touch(&self) {
        *self.touched.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Locks the engine once nobody has touched the screen for `IDLE_LOCK`. Runs as long as the app.
    pub async fn lock_when_idle(self) {
        loop {
            let touched = *self.touched.lock().unwrap_or_else(PoisonError::into_inner);
            let left = IDLE_LOCK.saturating_sub(touched.elapsed());
            if !left.is_zero() {
                tokio::time::sleep(left).await;
                continue;
            }
            self.touch();
            match self.run(Engine::lock).await {
                Ok(true) => self.tell(WatchEvent::Locked),
                Ok(false) => {}
                Err(cause) => tracing::error!("the idle lock failed: {cause:?}"),
            }
        }
    }
}

fn tell(watch: &Mutex<Option<Channel<WatchEvent>>>, event: WatchEvent) {
    let watch = watch.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(channel) = watch.as_ref()
        && let Err(cause) = channel.send(event)
    {
        tracing::debug!("no screen heard an event: {cause}");
    }
}
