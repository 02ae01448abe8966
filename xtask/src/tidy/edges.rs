//! Which crate may use which: the table of the style page. Judges declared dependencies, and the whole graph for
//! what may be nowhere.

use cargo_metadata::{DependencyKind, Metadata};

use super::Finding;

/// A member and what it may use.
struct Room {
    name: &'static str,
    /// Members of the workspace that it may use.
    ours: &'static [&'static str],
    /// If not empty: the only foreign crates.
    only: &'static [&'static str],
    /// Foreign crates that it never uses; `tauri` stands for `tauri-…` too.
    never: &'static [&'static str],
}

const ASYNC_AND_IO: &[&str] = &[
    "tokio",
    "async-std",
    "futures-util",
    "hyper",
    "hyper-util",
    "reqwest",
    "rusqlite",
    "tokio-postgres",
    "tokio-rustls",
    "rustls",
    "tower",
    "tower-http",
    "tempfile",
    "tauri",
    "getrandom",
    "rand",
];

const ROOMS: &[Room] = &[
    Room { name: "daftar-core", ours: &[], only: &["thiserror", "uuid"], never: &["serde"] },
    Room { name: "daftar-wire", ours: &["daftar-core"], only: &[], never: ASYNC_AND_IO },
    Room { name: "daftar-device", ours: &["daftar-core", "daftar-wire"], only: &[], never: &["tauri"] },
    Room { name: "daftar-app", ours: &["daftar-core", "daftar-device"], only: &[], never: &["rusqlite", "reqwest", "hyper"] },
    Room { name: "daftar-sync-server", ours: &["daftar-core", "daftar-wire"], only: &[], never: &["tauri"] },
    Room {
        name: "daftar-tests",
        ours: &["daftar-core", "daftar-wire", "daftar-device", "daftar-sync-server"],
        only: &[],
        never: &["tauri"],
    },
    Room { name: "daftar-sim", ours: &["daftar-core", "daftar-wire", "daftar-device", "daftar-sync-server"], only: &[], never: &["tauri"] },
    Room {
        name: "daftar-crash",
        ours: &["daftar-core", "daftar-wire", "daftar-device", "daftar-sync-server", "daftar-tests"],
        only: &[],
        never: &["tauri"],
    },
    Room {
        name: "daftar-bench",
        ours: &["daftar-core", "daftar-wire", "daftar-device", "daftar-sync-server", "daftar-tests"],
        only: &[],
        never: &["tauri"],
    },
    Room { name: "xtask", ours: &[], only: &[], never: &["tauri", "tokio"] },
];

/// Only these speak SQL.
const SQL_ROOMS: &[&str] = &["daftar-device", "daftar-sync-server", "daftar-bench", "daftar-crash"];
/// Nowhere in the whole graph.
const BANNED: &[&str] = &["axum", "axum-core"];
/// The one member that may ask for the feature `simulation`: random bytes that replay and PINs that cost nothing are for nobody else.
const SIMULATES: &str = "daftar-sim";
/// What of uuid would bring randomness, a clock or serde into core.
const UUID_FEATURES: &[&str] = &["v1", "v4", "v6", "v7", "rng", "rng-getrandom", "rng-rand", "fast-rng", "serde"];

/// A declared dependency.
#[derive(Clone)]
struct Use {
    name: String,
    is_dev: bool,
    features: Vec<String>,
}

pub fn check(metadata: &Metadata) -> Vec<Finding> {
    let members: Vec<(String, Vec<Use>)> = metadata
        .workspace_packages()
        .into_iter()
        .map(|package| {
            let uses = package.dependencies.iter().map(|dependency| Use {
                name: dependency.name.clone(),
                is_dev: dependency.kind == DependencyKind::Development,
                features: dependency.features.clone(),
            });
            (package.name.to_string(), uses.collect())
        })
        .collect();
    let all: Vec<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    let mut found = banned(&all);
    for (name, uses) in &members {
        found.extend(room(name, uses));
    }
    found
}

fn banned(all: &[&str]) -> Vec<Finding> {
    let bad = BANNED.iter().filter(|name| all.contains(name));
    bad.map(|name| Finding::new("edges", "Cargo.lock", format!("{name} is in the graph: who brings it? cargo tree -i {name}"))).collect()
}

fn room(name: &str, uses: &[Use]) -> Vec<Finding> {
    let Some(room) = ROOMS.iter().find(|room| room.name == name) else {
        return vec![Finding::new("edges", name, "a new member: say in xtask/src/tidy/edges.rs what it may use")];
    };
    let mut found = Vec::new();
    let mut refuse = |why: String| found.push(Finding::new("edges", name, why));
    for one in uses {
        let is_ours = ROOMS.iter().any(|room| room.name == one.name);
        if is_ours && !room.ours.contains(&one.name.as_str()) {
            refuse(format!("may not use {}", one.name));
        }
        if !is_ours && !one.is_dev && !room.only.is_empty() && !room.only.contains(&one.name.as_str()) {
            refuse(format!("may use only {}, not {}", room.only.join(", "), one.name));
        }
        if room.never.iter().any(|never| is_of(&one.name, never)) {
            refuse(format!("never uses {}", one.name));
        }
        if one.name == "rusqlite" && !SQL_ROOMS.contains(&name) {
            refuse("does not speak SQL: rusqlite belongs to device, sync-server, bench and crash".to_owned());
        }
        if is_ours && name != SIMULATES && one.features.iter().any(|feature| feature == "simulation") {
            refuse(format!("uses {} without its feature simulation, which is {SIMULATES}'s alone", one.name));
        }
        let feature = one.features.iter().find(|feature| UUID_FEATURES.contains(&feature.as_str()));
        if let (true, "uuid", Some(feature)) = (name == "daftar-core", one.name.as_str(), feature) {
            refuse(format!("uses uuid without {feature}: identities are handed in"));
        }
    }
    found
}

/// `tauri-build` is of `tauri`.
fn is_of(name: &str, family: &str) -> bool {
    name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || (family == "tauri" && rest.starts_with('-')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(name: &str, used: &[&str]) -> Vec<String> {
        let uses: Vec<Use> = used.iter().map(|name| Use { name: (*name).to_owned(), is_dev: false, features: Vec::new() }).collect();
        room(name, &uses).into_iter().map(|finding| finding.why).collect()
    }

    #[test]
    fn each_forbidden_edge_is_found() {
        for (name, used) in [
            ("daftar-core", "serde_json"),
            ("daftar-core", "daftar-wire"),
            ("daftar-wire", "tokio"),
            ("daftar-wire", "daftar-device"),
            ("daftar-device", "tauri-build"),
            ("daftar-app", "hyper"),
            ("daftar-app", "reqwest"),
            ("daftar-sync-server", "daftar-device"),
            ("daftar-sync-server", "tauri"),
            ("daftar-tests", "daftar-app"),
            ("daftar-tests", "rusqlite"),
            ("daftar-crash", "tauri"),
        ] {
            assert_eq!(faults(name, &[used]).len(), 1, "{name} -> {used}");
        }
        assert_eq!(faults("daftar-new", &[]).len(), 1);
    }

    #[test]
    fn the_edges_of_the_table_pass() {
        assert!(faults("daftar-core", &["thiserror", "uuid"]).is_empty());
        assert!(faults("daftar-app", &["daftar-core", "daftar-device", "tauri", "tauri-build"]).is_empty());
        assert!(faults("daftar-sync-server", &["rusqlite", "tokio", "hyper"]).is_empty());
    }

    #[test]
    fn core_never_sees_serde_even_in_tests_nor_random_identities() {
        let serde = Use { name: "serde".to_owned(), is_dev: true, features: Vec::new() };
        let proptest = Use { name: "proptest".to_owned(), ..serde.clone() };
        assert_eq!(room("daftar-core", &[serde]).len(), 1);
        assert!(room("daftar-core", &[proptest]).is_empty());
        let uuid = Use { name: "uuid".to_owned(), is_dev: false, features: vec!["v7".to_owned()] };
        assert_eq!(room("daftar-core", &[uuid]).len(), 1);
    }

    #[test]
    fn only_the_simulation_simulates() {
        let device = Use { name: "daftar-device".to_owned(), is_dev: true, features: vec!["simulation".to_owned()] };
        assert_eq!(room("daftar-tests", std::slice::from_ref(&device)).len(), 1);
        assert!(room("daftar-sim", &[device]).is_empty());
    }

    #[test]
    fn axum_anywhere_in_the_graph_is_found() {
        assert_eq!(banned(&["hyper", "axum"]).len(), 1);
        assert!(banned(&["hyper"]).is_empty());
    }
}
