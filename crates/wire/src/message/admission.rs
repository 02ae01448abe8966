//! A leader lets an officer in where there is no network: signed, for a short time, and only where the leader himself may go.

use daftar_core::authorize::ADMISSION_MS_MAX;
use daftar_core::compartment::{Agency, Compartment};
use daftar_core::ids::{DeviceId, OfficerId};
use minicbor::decode::Decoder;

use super::{Access, get_compartment};
use crate::cbor::{Enc, Put, definite, encode, fixed, raw_item, room};
use crate::limits::{ADMISSION_COMPARTMENTS_MAX, ENROL_TEXT_BYTES_MAX};
use crate::seal::SealingKey;
use crate::sign::{Sig, SigningKey, VerifyingKey, sign, verify};
use crate::{WireError, bounded};

/// Who was let in, where, until when and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// The device on which he was let in; its keys are good nowhere else.
    pub device: DeviceId,
    /// His identity: headquarters' own for him if the leader's device knows it, otherwise a new one.
    pub officer: OfficerId,
    /// His handle.
    pub handle: String,
    /// His name.
    pub full_name: String,
    /// His agency.
    pub agency: Agency,
    /// His Ed25519 key on this device.
    pub signing: [u8; 32],
    /// His X25519 key on this device.
    pub sealing: SealingKey,
    /// What he may use.
    pub compartments: Vec<(Compartment, Access)>,
    /// From when, in milliseconds of UTC.
    pub from_ms: u64,
    /// Until when; at most 72 hours later.
    pub until_ms: u64,
    /// The leader.
    pub by: OfficerId,
    /// By the leader's key on this device.
    pub sig: Sig,
}

impl Admission {
    /// Signs what was filled in.
    pub fn signed(mut self, leader: &SigningKey) -> Self {
        self.sig = sign(leader, &self.signed_bytes());
        self
    }

    /// Checks the leader's signature and that it is not for longer than an admission may be.
    pub fn verify(&self, leader: &VerifyingKey) -> Result<(), WireError> {
        let span_ms = self.until_ms.checked_sub(self.from_ms).ok_or(WireError::Malformed("an admission that ends before it begins"))?;
        bounded("the milliseconds of an admission", span_ms, ADMISSION_MS_MAX)?;
        verify(leader, &self.signed_bytes(), &self.sig, "an admission")
    }

    fn signed_bytes(&self) -> Vec<u8> {
        let mut bytes = b"daftar admission 1".to_vec();
        bytes.extend(encode(|e| {
            e.map(11)?;
            self.put(e)
        }));
        bytes
    }

    fn put(&self, e: &mut Enc<'_>) -> Put {
        e.u8(1)?.bytes(&self.device.0)?.u8(2)?.bytes(&self.officer.0)?.u8(3)?.str(&self.handle)?.u8(4)?.str(&self.full_name)?;
        e.u8(5)?.str(self.agency.code())?.u8(6)?.bytes(&self.signing)?.u8(7)?.bytes(&self.sealing)?;
        e.u8(8)?.array(self.compartments.len() as u64)?;
        for (name, access) in &self.compartments {
            e.array(3)?.str(name.as_str())?.bool(access.read)?.bool(access.write)?;
        }
        e.u8(9)?.u64(self.from_ms)?.u8(10)?.u64(self.until_ms)?.u8(11)?.bytes(&self.by.0)?.ok()
    }

    /// The admission's bytes, as they travel and are kept.
    pub fn write(&self) -> Vec<u8> {
        encode(|e| {
            e.map(12)?;
            self.put(e)?;
            e.u8(12)?.bytes(&self.sig)?.ok()
        })
    }

    /// Reads an admission; the signature is not looked at.
    pub fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let text = |d: &mut Decoder<'_>| -> Result<String, WireError> {
            let t = d.str()?;
            bounded("the bytes of a name", t.len() as u64, ENROL_TEXT_BYTES_MAX as u64)?;
            Ok(t.to_owned())
        };
        let mut d = Decoder::new(bytes);
        let (mut ids, mut names, mut keys, mut agency) = ([None; 3], [None, None], [None; 2], None);
        let (mut compartments, mut times, mut sig) = (Vec::new(), [None; 2], None);
        for _ in 0..definite(d.map()?)? {
            match d.u32()? {
                1 => ids[0] = Some(fixed(&mut d)?),
                2 => ids[1] = Some(fixed(&mut d)?),
                3 => names[0] = Some(text(&mut d)?),
                4 => names[1] = Some(text(&mut d)?),
                5 => agency = d.str()?.parse::<Agency>().ok(),
                6 => keys[0] = Some(fixed(&mut d)?),
                7 => keys[1] = Some(fixed(&mut d)?),
                8 => {
                    let n = definite(d.array()?)?;
                    bounded("the compartments of an admission", n, ADMISSION_COMPARTMENTS_MAX)?;
                    compartments = Vec::with_capacity(room(n, &d));
                    for _ in 0..n {
                        if d.array()? != Some(3) {
                            return Err(WireError::Malformed("a compartment of an admission of another length"));
                        }
                        compartments.push((get_compartment(&mut d)?, Access { read: d.bool()?, write: d.bool()? }));
                    }
                }
                9 => times[0] = Some(d.u64()?),
                10 => times[1] = Some(d.u64()?),
                11 => ids[2] = Some(fixed(&mut d)?),
                12 => sig = Some(fixed(&mut d)?),
                _ => {
                    raw_item(&mut d)?;
                }
            }
        }
        let missing = || WireError::Malformed("an admission that lacks a part");
        let [device, officer, by] = ids;
        let [handle, full_name] = names;
        Ok(Self {
            device: DeviceId(device.ok_or_else(missing)?),
            officer: OfficerId(officer.ok_or_else(missing)?),
            handle: handle.ok_or_else(missing)?,
            full_name: full_name.ok_or_else(missing)?,
            agency: agency.ok_or_else(missing)?,
            signing: keys[0].ok_or_else(missing)?,
            sealing: keys[1].ok_or_else(missing)?,
            compartments,
            from_ms: times[0].ok_or_else(missing)?,
            until_ms: times[1].ok_or_else(missing)?,
            by: OfficerId(by.ok_or_else(missing)?),
            sig: sig.ok_or_else(missing)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(hours: u64) -> (SigningKey, Admission) {
        let leader = SigningKey::from_bytes(&[3; 32]);
        let admission = Admission {
            device: DeviceId([1; 16]),
            officer: OfficerId([2; 16]),
            handle: "imt-1-scc-9".into(),
            full_name: "A. Replacement".into(),
            agency: Agency::Scc,
            signing: [4; 32],
            sealing: [5; 32],
            compartments: vec![(Compartment::reference(), Access { read: true, write: false })],
            from_ms: 1000,
            until_ms: 1000 + hours * 3_600_000,
            by: OfficerId([6; 16]),
            sig: [0; 64],
        };
        (leader.clone(), admission.signed(&leader))
    }

    #[test]
    fn an_admission_comes_back_and_is_the_leaders_word_for_72_hours_at_most() {
        let (leader, a) = admission(72);
        assert_eq!(Admission::read(&a.write()).as_ref(), Ok(&a));
        assert_eq!(a.verify(&leader.verifying_key()), Ok(()));
        let longer = admission(73).1;
        assert!(longer.verify(&leader.verifying_key()).is_err(), "longer than 72 hours");
        let mut wider = a;
        wider.compartments.push((Compartment::reference(), Access { read: true, write: true }));
        assert!(wider.verify(&leader.verifying_key()).is_err(), "wider than what was signed");
    }
}
