//! Enrolment: the code that headquarters gives, what a device asks with it, and what it is answered.

use daftar_core::compartment::{Agency, Compartment};
use daftar_core::ids::{DeviceId, Epoch, OfficerId};
use minicbor::decode::Decoder;

use crate::cbor::{definite, encode, fixed, raw_item, room};
use crate::change::sha256;
use crate::limits::{COMPARTMENTS_MAX, ENROL_BYTES_MAX, ENROL_TEXT_BYTES_MAX};
use crate::message::Access;
use crate::{WireError, bounded};

/// What the one-line code says: where headquarters is, how to know it, and a secret that is used once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// `host:port`.
    pub address: String,
    /// SHA-256 of headquarters' CA certificate (DER).
    pub ca_sha256: [u8; 32],
    /// The secret.
    pub secret: [u8; 16],
}

impl Code {
    /// The bytes that the code's text carries.
    pub fn write(&self) -> Vec<u8> {
        encode(|e| e.array(3)?.str(&self.address)?.bytes(&self.ca_sha256)?.bytes(&self.secret)?.ok())
    }

    /// Reads those bytes.
    pub fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let mut d = Decoder::new(bytes);
        if d.array()? != Some(3) {
            return Err(WireError::Malformed("a code of another form"));
        }
        let code = Self { address: text(&mut d)?, ca_sha256: fixed(&mut d)?, secret: fixed(&mut d)? };
        if d.position() == bytes.len() { Ok(code) } else { Err(WireError::Malformed("bytes behind a code")) }
    }
}

/// What a code says of a certificate (DER).
pub fn fingerprint(certificate: &[u8]) -> [u8; 32] {
    sha256(&[certificate])
}

fn text(d: &mut Decoder<'_>) -> Result<String, WireError> {
    let t = d.str()?;
    bounded("the bytes of a name", t.len() as u64, ENROL_TEXT_BYTES_MAX as u64)?;
    Ok(t.to_owned())
}

/// `POST /v1/enrol`: the public halves of keys that the device has just made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolRequest {
    /// From the code.
    pub secret: [u8; 16],
    /// What people call the device.
    pub device_name: String,
    /// The device's Ed25519 key; its certificate is issued for it.
    pub device_signing: [u8; 32],
    /// The device's X25519 key.
    pub device_sealing: [u8; 32],
    /// The officer's Ed25519 key on this device.
    pub officer_signing: [u8; 32],
    /// The officer's X25519 key on this device.
    pub officer_sealing: [u8; 32],
}

impl EnrolRequest {
    /// The request's bytes.
    pub fn write(&self) -> Vec<u8> {
        encode(|e| {
            e.map(6)?.u8(1)?.bytes(&self.secret)?.u8(2)?.str(&self.device_name)?;
            e.u8(3)?.bytes(&self.device_signing)?.u8(4)?.bytes(&self.device_sealing)?;
            e.u8(5)?.bytes(&self.officer_signing)?.u8(6)?.bytes(&self.officer_sealing)?.ok()
        })
    }

    /// Reads a request.
    pub fn read(bytes: &[u8]) -> Result<Self, WireError> {
        bounded("the bytes of an enrolment", bytes.len() as u64, ENROL_BYTES_MAX)?;
        let mut d = Decoder::new(bytes);
        let (mut secret, mut device_name, mut keys) = (None, None, [None; 4]);
        for _ in 0..definite(d.map()?)? {
            match d.u32()? {
                1 => secret = Some(fixed(&mut d)?),
                2 => device_name = Some(text(&mut d)?),
                n @ 3..=6 => keys[n as usize - 3] = Some(fixed(&mut d)?),
                _ => {
                    raw_item(&mut d)?;
                }
            }
        }
        let missing = WireError::Malformed("an enrolment that lacks a part");
        let key = |i: usize| keys[i].ok_or(WireError::Malformed("an enrolment that lacks a key"));
        Ok(Self {
            secret: secret.ok_or(missing.clone())?,
            device_name: device_name.ok_or(missing)?,
            device_signing: key(0)?,
            device_sealing: key(1)?,
            officer_signing: key(2)?,
            officer_sealing: key(3)?,
        })
    }
}

/// Headquarters' answer to an enrolment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolled {
    /// The device.
    pub device: DeviceId,
    /// The device's certificate (DER), for mutual TLS.
    pub certificate: Vec<u8>,
    /// Headquarters' CA certificate (DER).
    pub ca: Vec<u8>,
    /// Headquarters' own device: the writer of its signed stream.
    pub server: DeviceId,
    /// Headquarters' Ed25519 key, for receipts, verdicts and its stream.
    pub server_signing: [u8; 32],
    /// Headquarters' X25519 key, to which compartment keys are sealed for escrow.
    pub server_sealing: [u8; 32],
    /// The life of the server.
    pub epoch: Epoch,
    /// The officer.
    pub officer: OfficerId,
    /// His unique handle.
    pub handle: String,
    /// What is shown.
    pub full_name: String,
    /// His agency.
    pub agency: Agency,
    /// His team, if he is in one.
    pub team: Option<String>,
    /// `officer`, `leader`, `oct`, `analyst` or `admin`.
    pub role: String,
    /// The device's digit in record numbers, unique within the team.
    pub digit: u32,
    /// What the officer may use.
    pub compartments: Vec<(Compartment, Access)>,
}

impl Enrolled {
    /// The answer's bytes.
    pub fn write(&self) -> Vec<u8> {
        encode(|e| {
            e.map(14 + u64::from(self.team.is_some()))?;
            e.u8(1)?.bytes(&self.device.0)?.u8(2)?.bytes(&self.certificate)?.u8(3)?.bytes(&self.ca)?;
            e.u8(4)?.bytes(&self.server.0)?.u8(5)?.bytes(&self.server_signing)?.u8(6)?.bytes(&self.server_sealing)?;
            e.u8(7)?.bytes(&self.epoch.0)?.u8(8)?.bytes(&self.officer.0)?.u8(9)?.str(&self.handle)?.u8(10)?.str(&self.full_name)?;
            e.u8(11)?.str(self.agency.code())?.u8(12)?.str(&self.role)?.u8(13)?.u32(self.digit)?;
            e.u8(14)?.array(self.compartments.len() as u64)?;
            for (c, a) in &self.compartments {
                e.array(3)?.str(c.as_str())?.bool(a.read)?.bool(a.write)?;
            }
            if let Some(team) = &self.team {
                e.u8(15)?.str(team)?;
            }
            e.ok()
        })
    }

    /// Reads an answer.
    pub fn read(bytes: &[u8]) -> Result<Self, WireError> {
        bounded("the bytes of an enrolment", bytes.len() as u64, ENROL_BYTES_MAX)?;
        let mut d = Decoder::new(bytes);
        let (mut device, mut certificate, mut ca, mut server) = (None, None, None, None);
        let (mut server_signing, mut server_sealing, mut epoch, mut officer) = (None, None, None, None);
        let (mut handle, mut full_name, mut agency, mut role, mut digit) = (None, None, None, None, None);
        let (mut compartments, mut team) = (Vec::new(), None);
        for _ in 0..definite(d.map()?)? {
            match d.u32()? {
                1 => device = Some(DeviceId(fixed(&mut d)?)),
                2 => certificate = Some(d.bytes()?.to_vec()),
                3 => ca = Some(d.bytes()?.to_vec()),
                4 => server = Some(DeviceId(fixed(&mut d)?)),
                5 => server_signing = Some(fixed(&mut d)?),
                6 => server_sealing = Some(fixed(&mut d)?),
                7 => epoch = Some(Epoch(fixed(&mut d)?)),
                8 => officer = Some(OfficerId(fixed(&mut d)?)),
                9 => handle = Some(text(&mut d)?),
                10 => full_name = Some(text(&mut d)?),
                11 => agency = Some(d.str()?.parse().map_err(|_| WireError::Malformed("no agency"))?),
                12 => role = Some(text(&mut d)?),
                13 => digit = Some(d.u32()?),
                14 => compartments = read_compartments(&mut d)?,
                15 => team = Some(text(&mut d)?),
                _ => {
                    raw_item(&mut d)?;
                }
            }
        }
        let missing = || WireError::Malformed("an answer to an enrolment that lacks a part");
        Ok(Self {
            device: device.ok_or_else(missing)?,
            certificate: certificate.ok_or_else(missing)?,
            ca: ca.ok_or_else(missing)?,
            server: server.ok_or_else(missing)?,
            server_signing: server_signing.ok_or_else(missing)?,
            server_sealing: server_sealing.ok_or_else(missing)?,
            epoch: epoch.ok_or_else(missing)?,
            officer: officer.ok_or_else(missing)?,
            handle: handle.ok_or_else(missing)?,
            full_name: full_name.ok_or_else(missing)?,
            agency: agency.ok_or_else(missing)?,
            team,
            role: role.ok_or_else(missing)?,
            digit: digit.ok_or_else(missing)?,
            compartments,
        })
    }
}

fn read_compartments(d: &mut Decoder<'_>) -> Result<Vec<(Compartment, Access)>, WireError> {
    let n = definite(d.array()?)?;
    bounded("the compartments of a message", n, COMPARTMENTS_MAX)?;
    let mut out = Vec::with_capacity(room(n, d));
    for _ in 0..n {
        if d.array()? != Some(3) {
            return Err(WireError::Malformed("a compartment's entry of another length"));
        }
        let compartment = d.str()?.parse().map_err(|_| WireError::Malformed("no name of a compartment"))?;
        out.push((compartment, Access { read: d.bool()?, write: d.bool()? }));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_comes_back_and_a_shortened_one_does_not() {
        let code = Code { address: "127.0.0.1:8443".into(), ca_sha256: [1; 32], secret: [2; 16] };
        let bytes = code.write();
        assert_eq!(Code::read(&bytes), Ok(code));
        assert!((0..bytes.len()).all(|n| Code::read(&bytes[..n]).is_err()));
    }

    #[test]
    fn an_answer_comes_back() {
        let answer = Enrolled {
            device: DeviceId([1; 16]),
            certificate: vec![2; 400],
            ca: vec![3; 400],
            server: DeviceId([4; 16]),
            server_signing: [5; 32],
            server_sealing: [6; 32],
            epoch: Epoch([7; 16]),
            officer: OfficerId([8; 16]),
            handle: "imt-1-moi-1".into(),
            full_name: "Karimov Aziz".into(),
            agency: Agency::Moi,
            team: Some("imt-1".into()),
            role: "officer".into(),
            digit: 3,
            compartments: vec![(Compartment::reference(), Access { read: true, write: false })],
        };
        assert_eq!(Enrolled::read(&answer.write()), Ok(answer));
    }
}
