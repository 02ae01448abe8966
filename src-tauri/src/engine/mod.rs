//! The engine's calls: the one place that names the device engine's functions and turns its shapes into the screens'.
//! Holds the unlocked officer's store and nothing of what is in it.

mod admit;
mod draft;
mod fault;
mod file;
mod pack;
mod record;
mod shift;
mod sync;
mod turn;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use daftar_core::ids::RecordId;
use daftar_device::keyring::{OfficerEntry, PIN_CHARS_MIN, Protection as DeviceProtection};
use daftar_device::sync::{self as exchange, Nudge};
use daftar_device::{Device, FILE_BYTES_MAX, PHOTO_BYTES_MAX, Store, read_code};

use crate::dto::officer::{EnrolInput, OfficerCard, Protection};
use crate::dto::settings::{Language, Settings, TextSize, Theme};
use crate::dto::start::StartView;
use crate::dto::sync::WatchEvent;
use crate::error::{UiError, UiResult};

use fault::ui;
pub use file::Incoming;
use turn::Turn;

const SCREENS: &str = "screens";

/// Hears what happens unasked.
pub type Tell = Arc<dyn Fn(WatchEvent) + Send + Sync>;

/// The device's engine.
pub struct Engine {
    /// The notebook, or why it did not open.
    device: Result<Device, UiError>,
    store: RwLock<Option<Arc<Store>>>,
    nudge: Nudge,
    turn: Turn,
    tell: Mutex<Option<Tell>>,
    /// What corrections began from that are open and not yet kept.
    opened: Mutex<HashMap<RecordId, draft::Began>>,
}

impl Engine {
    /// Opens the notebook in `folder`. A notebook that does not open says so on the first screen.
    pub fn open(folder: &Path, nudge: Nudge) -> Self {
        let device = Device::open(folder).map_err(ui);
        Self { device, store: RwLock::default(), nudge, turn: Turn::default(), tell: Mutex::default(), opened: Mutex::default() }
    }

    /// Whoever wants to hear what happens unasked.
    pub fn told(&self, tell: Tell) {
        *self.tell.lock().unwrap_or_else(PoisonError::into_inner) = Some(tell);
    }

    fn tell(&self, event: WatchEvent) {
        let tell = self.tell.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(tell) = tell {
            tell(event);
        }
    }

    fn device(&self) -> UiResult<&Device> {
        self.device.as_ref().map_err(Clone::clone)
    }

    /// The unlocked officer's store.
    fn store(&self) -> UiResult<Arc<Store>> {
        self.store.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or(UiError::Locked)
    }

    pub fn start(&self) -> UiResult<StartView> {
        let keyring = self.device()?.keyring();
        let officers: Vec<OfficerCard> = keyring.officers().map_err(ui)?.iter().map(card).collect();
        let unlocked = self.store().ok();
        Ok(StartView {
            version: env!("CARGO_PKG_VERSION").into(),
            enrolled: !officers.is_empty(),
            device: unlocked.as_ref().map(|s| s.device().name.clone()),
            protection: match keyring.protection() {
                DeviceProtection::FilePermissions => Protection::PinOnly,
            },
            pin_chars_min: PIN_CHARS_MIN as u32,
            photo_bytes_max: PHOTO_BYTES_MAX,
            file_bytes_max: FILE_BYTES_MAX,
            officers,
            unlocked: unlocked.map(|s| card(&s.session().officer)),
            settings: self.settings()?,
        })
    }

    pub fn settings(&self) -> UiResult<Settings> {
        let kept = self.device()?.keyring().setting(SCREENS).map_err(ui)?;
        Ok(kept.map(|words| read_settings(&words)).unwrap_or_default())
    }

    pub fn put_settings(&self, settings: Settings) -> UiResult<()> {
        self.device()?.keyring().set_setting(SCREENS, &write_settings(settings)).map_err(ui)
    }

    /// Enrols, and leaves the officer to unlock. The device is called by the team's name and the officer's.
    pub fn enrol(&self, input: EnrolInput) -> UiResult<StartView> {
        let device = self.device()?;
        let code = read_code(&input.code).map_err(|_| UiError::CodeInvalid)?;
        let (enrolling, request) = device.enrol_request(&code, input.name.trim(), &input.pin).map_err(ui)?;
        let answer = tauri::async_runtime::block_on(exchange::enrol(&code, &request)).map_err(|e| fault::enrolment(&e))?;
        let present = self.store().ok();
        device.enrolled(&enrolling, &answer, &code, &input.pin, present.as_deref()).map_err(ui)?;
        self.start()
    }

    pub fn unlock(&self, officer: &str, pin: String) -> UiResult<OfficerCard> {
        let device = self.device()?;
        let officers = device.keyring().officers().map_err(ui)?;
        let entry = officers.into_iter().find(|o| o.id.to_string() == officer).ok_or(UiError::NotFound)?;
        let pin = zeroize::Zeroizing::new(pin);
        exchange::warm_up();
        let store = Arc::new(device.unlock(&entry.handle, &pin).map_err(ui)?);
        *self.store.write().unwrap_or_else(PoisonError::into_inner) = Some(store.clone());
        // What follows behind saves is caught up while the officer looks at the first screen.
        std::thread::spawn(move || {
            if let Err(cause) = store.tend() {
                tracing::warn!(%cause, "the index could not be tended");
            }
        });
        self.nudge.now();
        Ok(card(&entry))
    }

    /// Answers whether anybody was unlocked. Nothing goes on with his keys: his exchange is broken off, and one without him takes its place.
    pub fn lock(&self) -> UiResult<bool> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let store = self.store.write().unwrap_or_else(PoisonError::into_inner).take();
        let Some(store) = store else { return Ok(false) };
        self.turn.break_off();
        let sealed = store.lock().map_err(ui);
        self.nudge.now();
        sealed.map(|()| true)
    }

    /// Whether this is still the unlocked officer's.
    fn is_here(&self, store: &Arc<Store>) -> bool {
        self.store().is_ok_and(|now| Arc::ptr_eq(&now, store))
    }
}

fn card(o: &OfficerEntry) -> OfficerCard {
    OfficerCard {
        id: o.id.to_string(),
        code: o.handle.clone(),
        name: o.full_name.clone(),
        agency: o.agency.code().into(),
        team: o.team.clone().unwrap_or_default(),
        role: o.role.clone(),
    }
}

/// Three words: language, theme, text size.
fn write_settings(s: Settings) -> String {
    let language = match s.language {
        Language::UzLatn => "uz-Latn",
        Language::UzCyrl => "uz-Cyrl",
        Language::Ru => "ru",
        Language::En => "en",
    };
    let theme = match s.theme {
        Theme::Day => "day",
        Theme::Night => "night",
        Theme::Red => "red",
    };
    let size = match s.text_size {
        TextSize::Normal => "normal",
        TextSize::Large => "large",
        TextSize::Largest => "largest",
    };
    format!("{language} {theme} {size}")
}

/// What a later version may have written is read as the default.
fn read_settings(words: &str) -> Settings {
    let mut words = words.split(' ');
    let language = match words.next() {
        Some("uz-Cyrl") => Language::UzCyrl,
        Some("ru") => Language::Ru,
        Some("en") => Language::En,
        Some(_) | None => Language::UzLatn,
    };
    let theme = match words.next() {
        Some("night") => Theme::Night,
        Some("red") => Theme::Red,
        Some(_) | None => Theme::Day,
    };
    let text_size = match words.next() {
        Some("large") => TextSize::Large,
        Some("largest") => TextSize::Largest,
        Some(_) | None => TextSize::Normal,
    };
    Settings { language, theme, text_size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_back_and_unknown_ones_are_the_default() {
        for s in [Settings::default(), Settings { language: Language::UzCyrl, theme: Theme::Red, text_size: TextSize::Largest }] {
            assert_eq!(read_settings(&write_settings(s)), s);
        }
        assert_eq!(read_settings("tlh sepia"), Settings::default());
    }
}
