//! Who is logged in: kept in memory by the hash of what the browser holds, so that a restart ends every session. Never writes a cookie.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use daftar_core::ids::OfficerId;
use daftar_wire::enrol::fingerprint;
use tokio::time::Instant;

use crate::error::Result;
use crate::random::{hex, random};

/// A session ends after so long without an act.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(15 * 60);
/// And after so long in any case.
pub(super) const LIFE_MAX: Duration = Duration::from_secs(12 * 60 * 60);
/// An officer has at most so many; the oldest gives way.
const SESSIONS_PER_OFFICER_MAX: usize = 4;

/// What a new session gives to the browser.
pub(super) struct Opened {
    /// The cookie's value: 256 random bits.
    pub(super) token: String,
    /// What requests that change something must bear.
    pub(super) csrf: String,
}

/// A session that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) officer: OfficerId,
    pub(super) csrf: String,
    began: Instant,
    seen: Instant,
}

impl Session {
    fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.seen) > IDLE_MAX || now.duration_since(self.began) > LIFE_MAX
    }

    /// Whether this is the session's token. Both are hashed first, so that the time taken tells nothing.
    pub(super) fn is_token(&self, token: &str) -> bool {
        fingerprint(token.as_bytes()) == fingerprint(self.csrf.as_bytes())
    }
}

/// All open sessions.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<[u8; 32], Session>>);

impl Sessions {
    /// Opens a session.
    pub(super) fn open(&self, officer: OfficerId, now: Instant) -> Result<Opened> {
        let opened = Opened { token: hex(&random::<32>()?), csrf: hex(&random::<32>()?) };
        let mut all = self.lock();
        all.retain(|_, s| !s.is_over(now));
        let mut his: Vec<(Instant, [u8; 32])> = all.iter().filter(|(_, s)| s.officer == officer).map(|(k, s)| (s.began, *k)).collect();
        his.sort();
        for (_, oldest) in his.iter().rev().skip(SESSIONS_PER_OFFICER_MAX - 1) {
            all.remove(oldest);
        }
        let session = Session { officer, csrf: opened.csrf.clone(), began: now, seen: now };
        all.insert(fingerprint(opened.token.as_bytes()), session);
        Ok(opened)
    }

    /// The session of a cookie. `is_act`: somebody did something; a page that only looks again keeps nothing open.
    pub(super) fn find(&self, token: &str, is_act: bool, now: Instant) -> Option<Session> {
        let key = fingerprint(token.as_bytes());
        let mut all = self.lock();
        let session = all.get_mut(&key)?;
        if session.is_over(now) {
            all.remove(&key);
            return None;
        }
        if is_act {
            session.seen = now;
        }
        Some(session.clone())
    }

    /// Ends a session.
    pub(super) fn end(&self, token: &str) {
        self.lock().remove(&fingerprint(token.as_bytes()));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Session>> {
        // Nothing is half done here when a panic comes.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHO: OfficerId = OfficerId([1; 16]);
    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_session_ends_after_fifteen_idle_minutes_and_after_twelve_hours() {
        let (sessions, begin) = (Sessions::default(), Instant::now());
        let token = sessions.open(WHO, begin).expect("random").token;
        assert!(sessions.find(&token, true, begin + 14 * MINUTE).is_some());
        assert!(sessions.find(&token, false, begin + 28 * MINUTE).is_some());
        assert!(sessions.find(&token, false, begin + 30 * MINUTE).is_none(), "looking again is no act");
        let token = sessions.open(WHO, begin).expect("random").token;
        for minutes in (0..720).step_by(10) {
            assert!(sessions.find(&token, true, begin + minutes * MINUTE).is_some());
        }
        assert!(sessions.find(&token, true, begin + 721 * MINUTE).is_none(), "twelve hours are over");
    }

    #[test]
    fn an_ended_session_is_gone_and_a_fifth_ends_the_first() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let tokens: Vec<String> = (0..5).map(|i| sessions.open(WHO, now + Duration::from_secs(i)).expect("random").token).collect();
        let later = now + MINUTE;
        assert!(sessions.find(&tokens[0], true, later).is_none() && sessions.find(&tokens[1], true, later).is_some());
        sessions.end(&tokens[4]);
        assert!(sessions.find(&tokens[4], true, later).is_none());
        assert!(sessions.find("", true, later).is_none() && sessions.find(&tokens[0].to_uppercase(), true, later).is_none());
    }
}
