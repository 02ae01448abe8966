//! A server behind a link, and devices that reach it through that alone.

use std::path::Path;

use daftar_tests::device::Device;
use daftar_tests::server::Server;
use daftar_tests::weak::{Link, WeakLink};

use crate::daftar::{folder, sync};

/// Headquarters behind a link.
pub struct Linked {
    /// What lies between.
    pub link: Link,
    dir: std::path::PathBuf,
    server: Server,
}

impl Linked {
    /// In a folder of its own; the link is loopback as it is.
    pub fn new(dir: &Path, name: &str) -> Self {
        let dir = folder(dir, name);
        let link = Link::start(WeakLink::WIRE);
        let mut server = Server::init(&dir, link.port);
        server.start();
        link.lead_to(server.port);
        Self { link, dir, server }
    }

    /// A device that has been in touch once, as each has before it goes to its valley.
    pub fn device(&self, name: &str) -> Device {
        let device = Device::enrolled(&self.dir, name, &self.server.officer_everywhere(name));
        sync(&device);
        device
    }

    /// Bytes that crossed the link so far, up and down.
    pub fn counted(&self) -> (u64, u64) {
        (self.link.up_bytes(), self.link.down_bytes())
    }
}
