//! What is said of who may read: revocations, purge receipts, keys that headquarters hands back. Holds no key in clear.

use daftar_core::compartment::Compartment;
use daftar_core::ids::{DeviceId, OfficerId};
use minicbor::decode::Decoder;
use zeroize::Zeroizing;

use super::get_compartment;
use crate::WireError;
use crate::cbor::{definite, encode, fixed, raw_item};
use crate::limits::SEALED_KEY_BYTES_MAX;
use crate::sign::{Sig, SigningKey, VerifyingKey, sign, verify};

/// Headquarters' signed word that an officer may use a compartment no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// The officer.
    pub officer: OfficerId,
    /// The compartment.
    pub compartment: Compartment,
    /// When it was revoked, in milliseconds of UTC.
    pub at_ms: u64,
    /// By the server's key.
    pub sig: Sig,
}

impl Revocation {
    /// Signs a revocation.
    pub fn sign(key: &SigningKey, officer: OfficerId, compartment: Compartment, at_ms: u64) -> Self {
        let mut r = Self { officer, compartment, at_ms, sig: [0; 64] };
        r.sig = sign(key, &r.signed_bytes());
        r
    }

    /// Checks the server's signature.
    pub fn verify(&self, key: &VerifyingKey) -> Result<(), WireError> {
        verify(key, &self.signed_bytes(), &self.sig, "a revocation")
    }

    fn signed_bytes(&self) -> Vec<u8> {
        let mut bytes = b"daftar revocation 1".to_vec();
        bytes.extend(encode(|e| e.array(3)?.bytes(&self.officer.0)?.str(self.compartment.as_str())?.u64(self.at_ms)?.ok()));
        bytes
    }
}

/// A device's signed word that an officer's way into a compartment is gone from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purged {
    /// The officer.
    pub officer: OfficerId,
    /// The compartment.
    pub compartment: Compartment,
    /// When, by the device's clock, in milliseconds of UTC.
    pub at_ms: u64,
    /// He was the last there: file, photos and index went too.
    pub removed: bool,
    /// By the device's key.
    pub sig: Sig,
}

impl Purged {
    /// Signs a purge receipt.
    pub fn sign(key: &SigningKey, device: &DeviceId, officer: OfficerId, compartment: Compartment, at_ms: u64, removed: bool) -> Self {
        let mut p = Self { officer, compartment, at_ms, removed, sig: [0; 64] };
        p.sig = sign(key, &p.signed_bytes(device));
        p
    }

    /// Checks the device's signature.
    pub fn verify(&self, key: &VerifyingKey, device: &DeviceId) -> Result<(), WireError> {
        verify(key, &self.signed_bytes(device), &self.sig, "a purge receipt")
    }

    fn signed_bytes(&self, device: &DeviceId) -> Vec<u8> {
        let mut bytes = b"daftar purge 1".to_vec();
        bytes.extend(encode(|e| {
            e.array(5)?.bytes(&device.0)?.bytes(&self.officer.0)?.str(self.compartment.as_str())?;
            e.u64(self.at_ms)?.bool(self.removed)?.ok()
        }));
        bytes
    }

    /// The receipt's bytes, as they travel and as headquarters keeps them.
    pub fn write(&self) -> Vec<u8> {
        encode(|e| {
            e.map(5)?.u8(1)?.bytes(&self.officer.0)?.u8(2)?.str(self.compartment.as_str())?;
            e.u8(3)?.u64(self.at_ms)?.u8(4)?.bool(self.removed)?.u8(5)?.bytes(&self.sig)?.ok()
        })
    }

    /// Reads a purge receipt; the signature is not looked at.
    pub fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let mut d = Decoder::new(bytes);
        let (mut officer, mut compartment, mut at_ms, mut removed, mut sig) = (None, None, None, None, None);
        for _ in 0..definite(d.map()?)? {
            match d.u32()? {
                1 => officer = Some(OfficerId(fixed(&mut d)?)),
                2 => compartment = Some(get_compartment(&mut d)?),
                3 => at_ms = Some(d.u64()?),
                4 => removed = Some(d.bool()?),
                5 => sig = Some(fixed(&mut d)?),
                _ => {
                    raw_item(&mut d)?;
                }
            }
        }
        let missing = WireError::Malformed("a purge receipt that lacks a part");
        Ok(Self {
            officer: officer.ok_or(missing.clone())?,
            compartment: compartment.ok_or(missing.clone())?,
            at_ms: at_ms.ok_or(missing.clone())?,
            removed: removed.ok_or(missing.clone())?,
            sig: sig.ok_or(missing)?,
        })
    }
}

/// A device asks that an officer's way into a compartment be opened again: it has the key only as sealed to headquarters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reopen {
    /// The officer, who must be unlocked.
    pub officer: OfficerId,
    /// The compartment.
    pub compartment: Compartment,
    /// The name of the key's file on the device; it is part of what the seal is for.
    pub file: String,
    /// The compartment's key as sealed to headquarters.
    pub escrow: Vec<u8>,
}

impl Reopen {
    /// The compartment that a key's plain text is for.
    pub fn compartment_of(plain: &[u8]) -> Result<Compartment, WireError> {
        Self::key_of(plain).map(|(compartment, _)| compartment)
    }

    /// What a sealed key's plain text says: `[compartment, 32 bytes]`.
    pub fn key_of(plain: &[u8]) -> Result<(Compartment, Zeroizing<[u8; 32]>), WireError> {
        let mut d = Decoder::new(plain);
        if d.array()? != Some(2) {
            return Err(WireError::Malformed("a compartment's key of another length"));
        }
        Ok((get_compartment(&mut d)?, Zeroizing::new(fixed(&mut d)?)))
    }
}

/// Headquarters hands a compartment's key back, sealed to the officer's key on the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reopened {
    /// The officer.
    pub officer: OfficerId,
    /// The compartment.
    pub compartment: Compartment,
    /// The name of the key's file on the device.
    pub file: String,
    /// The key, sealed to him.
    pub sealed: Vec<u8>,
}

fn write_key(officer: &OfficerId, compartment: &Compartment, file: &str, sealed: &[u8]) -> Vec<u8> {
    encode(|e| {
        e.map(4)?.u8(1)?.bytes(&officer.0)?.u8(2)?.str(compartment.as_str())?;
        e.u8(3)?.str(file)?.u8(4)?.bytes(sealed)?.ok()
    })
}

fn read_key(bytes: &[u8]) -> Result<(OfficerId, Compartment, String, Vec<u8>), WireError> {
    let mut d = Decoder::new(bytes);
    let (mut officer, mut compartment, mut file, mut sealed) = (None, None, None, None);
    for _ in 0..definite(d.map()?)? {
        match d.u32()? {
            1 => officer = Some(OfficerId(fixed(&mut d)?)),
            2 => compartment = Some(get_compartment(&mut d)?),
            3 => file = Some(d.str()?.to_owned()),
            4 => {
                let bytes = d.bytes()?;
                crate::bounded("the bytes of a sealed key", bytes.len() as u64, SEALED_KEY_BYTES_MAX)?;
                sealed = Some(bytes.to_vec());
            }
            _ => {
                raw_item(&mut d)?;
            }
        }
    }
    let missing = WireError::Malformed("a sealed key that lacks a part");
    Ok((officer.ok_or(missing.clone())?, compartment.ok_or(missing.clone())?, file.ok_or(missing.clone())?, sealed.ok_or(missing)?))
}

impl Reopen {
    pub(super) fn write(&self) -> Vec<u8> {
        write_key(&self.officer, &self.compartment, &self.file, &self.escrow)
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let (officer, compartment, file, escrow) = read_key(bytes)?;
        Ok(Self { officer, compartment, file, escrow })
    }
}

impl Reopened {
    pub(super) fn write(&self) -> Vec<u8> {
        write_key(&self.officer, &self.compartment, &self.file, &self.sealed)
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let (officer, compartment, file, sealed) = read_key(bytes)?;
        Ok(Self { officer, compartment, file, sealed })
    }
}
