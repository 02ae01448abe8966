//! Who listens nearby, by multicast DNS (RFC 6762, RFC 6763). What is announced names nobody: a random word, an address, a port and the
//! protocol's version. Never believes what is announced: who it is only TLS shows.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use mdns_sd::{IfKind, ResolvedService, ServiceDaemon, ServiceEvent, ServiceInfo};

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
    let info = announcement(address, &hex(&random::<8>()?))?;
    let name = info.get_fullname().to_owned();
    let daemon = ServiceDaemon::new().map_err(search)?;
    // Nobody is told of an address that he could not reach.
    let others = match address.ip() {
        IpAddr::V4(ip) if ip.is_loopback() => {
            daemon.disable_interface(IfKind::All).and_then(|()| daemon.enable_interface(IfKind::LoopbackV4))
        }
        IpAddr::V4(_) => daemon.disable_interface(IfKind::IPv6),
        IpAddr::V6(_) => Ok(()),
    };
    others.and_then(|()| daemon.register(info)).map_err(search)?;
    Ok(Announced { daemon, name })
}

fn announcement(address: SocketAddr, word: &str) -> Result<ServiceInfo, PeerError> {
    let version = daftar_wire::message::VERSION.to_string();
    let properties = [(VERSION_KEY, version.as_str())];
    let host = format!("{word}.local.");
    let info = if address.ip().is_unspecified() {
        ServiceInfo::new(SERVICE, word, &host, "", address.port(), &properties[..]).map(ServiceInfo::enable_addr_auto)
    } else {
        ServiceInfo::new(SERVICE, word, &host, address.ip(), address.port(), &properties[..])
    };
    info.map_err(search)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_announced_names_nobody() {
        let info = announcement(([192, 168, 4, 1], 4747).into(), "00ff00ff00ff00ff").expect("it can be announced");
        let told: Vec<String> = info.get_properties().iter().map(|p| format!("{}={}", p.key(), p.val_str())).collect();
        assert_eq!(told, ["v=1"]);
        assert_eq!((info.get_fullname(), info.get_hostname()), ("00ff00ff00ff00ff._daftar._tcp.local.", "00ff00ff00ff00ff.local."));
        assert_eq!(info.get_port(), 4747);
    }
}
