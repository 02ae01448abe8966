//! Who appears in the demo. Invented; the secrets guard nothing but a folder on this machine.

/// The records that the two devices write. Field `device` says which one: 0 is the first.
pub const SAMPLE: &str = "tests/demo/sample.ndjson";

/// An officer with a device.
pub struct Device {
    /// The device's folder in the demo's.
    pub folder: &'static str,
    pub officer: &'static str,
    pub full_name: &'static str,
    pub agency: &'static str,
    pub role: &'static str,
    pub pin: &'static str,
}

pub const TEAM: &str = "imt-1";

pub const DEVICES: [Device; 2] = [
    Device { folder: "device-a", officer: "imt-1-sss-1", full_name: "Aziz Karimov", agency: "sss", role: "leader", pin: "31415926" },
    Device { folder: "device-b", officer: "imt-1-moi-1", full_name: "Nodir Ergashev", agency: "moi", role: "officer", pin: "27182818" },
];

/// Someone at headquarters.
pub struct ConsoleUser {
    pub name: &'static str,
    pub full_name: &'static str,
    pub agency: &'static str,
    pub role: &'static str,
    pub password: &'static str,
}

pub const CONSOLE: [ConsoleUser; 2] = [
    ConsoleUser { name: "hq-analyst", full_name: "Malika Yusupova", agency: "sss", role: "analyst", password: "sariq-choynak-1207" },
    ConsoleUser { name: "hq-admin", full_name: "Rustam Saidov", agency: "sss", role: "admin", password: "yashil-darvoza-3318" },
];

/// The officers' first console password: they may look there too.
pub const OFFICER_PASSWORD: &str = "moviy-daftar-4471";
