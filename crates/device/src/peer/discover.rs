//! Who listens nearby, by multicast DNS (RFC 6762, RFC 6763). What is announced names nobody: a random word, an address, a port and the
//! protocol's version. Never believes what is announced: who it is only TLS shows.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use mdns_sd::{ResolvedService, ServiceDaemon, ServiceEvent, ServiceInfo};

use super::PeerError;
use super::limits::FOUND_MAX;
use crate::random::{hex, random};

/// The service's name.
const SERVICE: &str = "_daftar._tcp.local.";
/// The property that says the protocol's version.
const VERSION_KEY: &str = "v";

/// An announcement; it is taken back when this is dropped.
pub struct Announced {
    daemon: ServiceDaemon,
    name: String,
}

impl Drop for Announced {
    fn drop(&mut self) {
        // Whoever heard it and does not hear this finds nobody there.
        if let Ok(done) = self.daemon.unregister(&self.name) {
            let _ = done.recv_timeout(Duration::from_millis(500));
        }
        let _ = self.daemon.shutdown();
    }
}

fn search(e: mdns_sd::Error) -> PeerError {
    PeerError::Search(e.to_string())
}

/// Announces that this device listens at an address; an unspecified one stands for every address of this machine.
pub fn announce(address: SocketAddr) -> Result<Announced, PeerError> {
    let word = hex(&random::<8>()?);
    let version = daftar_wire::message::VERSION.to_string();
    let properties = [(VERSION_KEY, version.as_str())];
    let host = format!("{word}.local.");
    let info = if address.ip().is_unspecified() {
        ServiceInfo::new(SERVICE, &word, &host, "", address.port(), &properties[..]).map(ServiceInfo::enable_addr_auto)
    } else {
        ServiceInfo::new(SERVICE, &word, &host, address.ip(), address.port(), &properties[..])
    };
    let info = info.map_err(search)?;
    let name = info.get_fullname().to_owned();
    let daemon = ServiceDaemon::new().map_err(search)?;
    daemon.register(info).map_err(search)?;
    Ok(Announced { daemon, name })
}

/// Where devices say that they listen, heard within a time. Each device may have several addresses.
pub async fn look(time: Duration) -> Result<Vec<SocketAddr>, PeerError> {
    let daemon = ServiceDaemon::new().map_err(search)?;
    let events = daemon.browse(SERVICE).map_err(search)?;
    let mut found: BTreeSet<SocketAddr> = BTreeSet::new();
    let looking = async {
        while let Ok(event) = events.recv_async().await {
            if let ServiceEvent::ServiceResolved(service) = event {
                found.extend(addresses(&service));
            }
            if found.len() >= FOUND_MAX {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(time, looking).await;
    let _ = daemon.shutdown();
    Ok(found.into_iter().take(FOUND_MAX).collect())
}

fn addresses(service: &ResolvedService) -> Vec<SocketAddr> {
    let version = service.txt_properties.get_property_val_str(VERSION_KEY).and_then(|v| v.parse().ok());
    if version != Some(daftar_wire::message::VERSION) || service.port == 0 {
        return Vec::new();
    }
    // An IPv6 address of one link needs its scope, which another process cannot be told; such devices have IPv4 too.
    let usable = |ip: &IpAddr| match ip {
        IpAddr::V4(_) => true,
        IpAddr::V6(v6) => !v6.is_unicast_link_local(),
    };
    service.addresses.iter().map(mdns_sd::ScopedIp::to_ip_addr).filter(usable).map(|ip| SocketAddr::new(ip, service.port)).collect()
}
