//! How often a password may be tried: by name and address, by name alone, by address alone. Never looks at a password.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use daftar_wire::enrol::fingerprint;
use tokio::time::Instant;

/// So many wrong passwords for a name from one address, and another every half minute.
const PAIR: Rate = Rate { full: 5.0, seconds_each: 30.0 };
/// From all addresses together: a name is not to be tried from everywhere, nor locked from anywhere so easily.
const NAME: Rate = Rate { full: 20.0, seconds_each: 30.0 };
/// From one address for all names together.
const ADDRESS: Rate = Rate { full: 40.0, seconds_each: 10.0 };
/// Buckets that are remembered before the full ones are forgotten.
const BUCKETS_MAX: usize = 16 * 1024;

#[derive(Debug, Clone, Copy)]
struct Rate {
    full: f64,
    seconds_each: f64,
}

/// A name is kept as its hash: what is typed there may be a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Pair([u8; 32], IpAddr),
    Name([u8; 32]),
    Address(IpAddr),
}

impl Key {
    fn rate(&self) -> Rate {
        match self {
            Self::Pair(..) => PAIR,
            Self::Name(_) => NAME,
            Self::Address(_) => ADDRESS,
        }
    }
}

/// What is left to each, and when that was counted.
#[derive(Default)]
pub(super) struct Attempts(Mutex<HashMap<Key, (f64, Instant)>>);

impl Attempts {
    /// Takes one attempt before the password is looked at, or says in how many seconds there is one.
    pub(super) fn take(&self, name: &str, address: IpAddr, now: Instant) -> Result<(), u32> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= BUCKETS_MAX {
            all.retain(|key, left| filled(key, *left, now) < key.rate().full);
        }
        let left = keys(name, address).map(|key| (key, all.get(&key).map_or(key.rate().full, |left| filled(&key, *left, now))));
        let wait = left.iter().map(|(key, left)| ((1.0 - left) * key.rate().seconds_each).ceil()).fold(0.0, f64::max);
        if wait > 0.0 {
            return Err(wait as u32);
        }
        all.extend(left.map(|(key, left)| (key, (left - 1.0, now))));
        Ok(())
    }

    /// The password was right: the attempt is given back.
    pub(super) fn give_back(&self, name: &str, address: IpAddr) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys(name, address) {
            if let Some((left, _)) = all.get_mut(&key) {
                *left = (*left + 1.0).min(key.rate().full);
            }
        }
    }
}

fn keys(name: &str, address: IpAddr) -> [Key; 3] {
    let name = fingerprint(name.as_bytes());
    [Key::Pair(name, address), Key::Name(name), Key::Address(address)]
}

fn filled(key: &Key, (left, at): (f64, Instant), now: Instant) -> f64 {
    let Rate { full, seconds_each } = key.rate();
    (left + now.duration_since(at).as_secs_f64() / seconds_each).min(full)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn after_five_wrong_passwords_a_name_waits_at_that_address_alone() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let (here, there) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let five: Vec<_> = (0..5).map(|_| attempts.take("a", here, now)).collect();
        assert!(five.iter().all(Result::is_ok));
        assert_eq!(attempts.take("a", here, now), Err(30));
        assert_eq!((attempts.take("b", here, now), attempts.take("a", there, now)), (Ok(()), Ok(())));
        assert_eq!(attempts.take("a", here, now + Duration::from_secs(31)), Ok(()));
    }

    #[test]
    fn a_right_password_costs_nothing_and_a_name_waits_after_twenty_from_everywhere() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let from = |n: u8| IpAddr::from([10, 0, 1, n]);
        for _ in 0..50 {
            assert_eq!(attempts.take("a", from(0), now), Ok(()));
            attempts.give_back("a", from(0));
        }
        assert!((0..20).all(|n| attempts.take("a", from(n), now).is_ok()));
        assert!(attempts.take("a", from(21), now).is_err());
    }
}
