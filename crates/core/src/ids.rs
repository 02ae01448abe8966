//! Identities as typed nouns. Never draws one: whoever makes an identity brings the random bytes.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// What is wrong with an identity written as text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {what}")]
pub struct BadId {
    /// The text as it came, cut to 80 characters.
    pub text: String,
    /// What was expected, with its article: "a UUIDv7".
    pub what: &'static str,
}

impl BadId {
    fn new(text: &str, what: &'static str) -> Self {
        Self { text: text.chars().take(80).collect(), what }
    }
}

/// A record's identity: a UUIDv7 (RFC 9562), unique within its compartment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(pub [u8; 16]);

impl RecordId {
    /// Makes an identity from the time (milliseconds of UTC) and ten random bytes.
    pub fn new(now_ms: u64, random: [u8; 10]) -> Self {
        let mut b = [0; 16];
        b[..6].copy_from_slice(&now_ms.to_be_bytes()[2..]);
        b[6..].copy_from_slice(&random);
        b[6] = (b[6] & 0x0f) | 0x70;
        b[8] = (b[8] & 0x3f) | 0x80;
        Self(b)
    }
}

impl FromStr for RecordId {
    type Err = BadId;
    fn from_str(s: &str) -> Result<Self, BadId> {
        match Uuid::try_parse(s) {
            Ok(u) if s.len() == 36 && u.get_version_num() == 7 => Ok(Self(u.into_bytes())),
            Ok(_) | Err(_) => Err(BadId::new(s, "a UUIDv7")),
        }
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Uuid::from_bytes(self.0).fmt(f)
    }
}

impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! bytes_id {
    ($(#[$doc:meta])* $name:ident, $len:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(s: &str) -> Result<Self, BadId> {
                let bad = || BadId::new(s, $what);
                let mut out = [0; $len];
                if s.len() != 2 * $len || !s.is_ascii() {
                    return Err(bad());
                }
                for (i, b) in out.iter_mut().enumerate() {
                    *b = u8::from_str_radix(&s[2 * i..2 * i + 2], 16).map_err(|_| bad())?;
                }
                Ok(Self(out))
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = BadId;
            fn try_from(b: &[u8]) -> Result<Self, BadId> {
                b.try_into().map(Self).map_err(|_| BadId::new("bytes of another length", $what))
            }
        }
    };
}

bytes_id!(
    /// One enrolled installation; headquarters' own signed stream has one too.
    DeviceId, 16, "a device's 32 hexadecimal digits"
);
bytes_id!(
    /// A person with a PIN, or an HQ account.
    OfficerId, 16, "an officer's 32 hexadecimal digits"
);
bytes_id!(
    /// One life of a device's database in a compartment: random, new with the file and with every restore.
    Incarnation, 16, "an incarnation's 32 hexadecimal digits"
);
bytes_id!(
    /// One life of the server's feeds: random, new with the server and with every restore.
    Epoch, 16, "an epoch's 32 hexadecimal digits"
);
bytes_id!(
    /// A change's name, everywhere and for ever: a SHA-256 over what it says (docs/protocol.md).
    ChangeName, 32, "a change's 64 hexadecimal digits"
);
bytes_id!(
    /// A SHA-256 over a compartment's stream heads: equal digests mean equal logs.
    Digest, 32, "a digest's 64 hexadecimal digits"
);
bytes_id!(
    /// A place in a stream's hash chain.
    Head, 32, "a head's 64 hexadecimal digits"
);
bytes_id!(
    /// A file's name within a compartment: the SHA-256 of its bytes.
    FileHash, 32, "a file's 64 hexadecimal digits"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_uuid_of_version_7_names_a_record() {
        let id = RecordId::new(1_790_000_000_000, [0xff; 10]);
        assert_eq!(id.to_string().parse::<RecordId>(), Ok(id));
        for bad in ["", "x", "01a090a1-522e-48c7-acfe-9ea9e1fab9d7", "{01a090a1-522e-78c7-acfe-9ea9e1fab9d7}"] {
            assert!(bad.parse::<RecordId>().is_err(), "{bad} was taken for a record's id");
        }
    }
}
