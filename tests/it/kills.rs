//! Real commands are killed at random moments. What was printed as saved is there afterwards, whole, and everything verifies.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use daftar_tests::corpus;
use daftar_tests::device::Device;
use daftar_tests::server::Server;
use serde_json::Value;

/// So many kills belong to the gate; `./x soak --kills` asks for more.
const KILLS: u64 = 8;
const RECORDS_PER_IMPORT: usize = 8;

fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|v| v.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Chance that can be repeated (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end.max(1)
    }
}

/// Runs a command and kills it after so long; what it had printed, if that was whole.
fn killed(device: &Device, args: &[&str], after: Duration) -> Option<Value> {
    let mut command = device.command();
    let mut child = command.args(args).arg("--json").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("daftar is built");
    std::thread::sleep(after);
    let _ = child.kill();
    let out = child.wait_with_output().expect("a killed process ends");
    serde_json::from_slice(&out.stdout).ok()
}

/// How long a command takes, as far as kills have shown.
struct Takes(u64);

impl Takes {
    fn of(f: impl FnOnce()) -> Self {
        let start = Instant::now();
        f();
        Self(u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// A moment of it: mostly near its end, where it writes.
    fn moment(&self, random: &mut Random) -> Duration {
        let from = if random.below(4) == 0 { 0 } else { self.0 * 8 / 10 };
        Duration::from_micros(from + random.below(self.0 * 12 / 10 - from))
    }

    /// The machine is not always as fast: the next kill comes earlier after one that came too late, and later after one in time.
    fn learn(&mut self, had_finished: bool) {
        self.0 = if had_finished { self.0 * 95 / 100 } else { self.0 * 105 / 100 };
    }
}

/// Records like one of the corpus, each under an id of its own.
fn portion(dir: &Path, line: &Value, round: u64) -> (std::path::PathBuf, Vec<String>) {
    let ids: Vec<String> = (0..RECORDS_PER_IMPORT).map(|n| format!("01a09fff-0000-7000-8{n:03x}-{round:012x}")).collect();
    let lines = ids.iter().map(|id| {
        let mut record = line.clone();
        record["id"] = id.as_str().into();
        record.to_string()
    });
    let file = dir.join("portion.ndjson");
    std::fs::write(&file, lines.collect::<Vec<_>>().join("\n")).expect("the folder can be written");
    (file, ids)
}

fn ids(device: &Device) -> BTreeSet<String> {
    device.list("inspection").iter().filter_map(|r| Some(r["id"].as_str()?.to_owned())).collect()
}

#[test]
fn kills_at_random_moments_lose_nothing_that_was_said_to_be_saved() {
    let (kills, seed) = (asked("DAFTAR_KILLS").unwrap_or(KILLS), asked("DAFTAR_SEED").unwrap_or(20_260_101));
    println!("{kills} kills, seed {seed}");
    let mut random = Random(seed);
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::init_direct(dir.path());
    server.start();
    let device = Device::enrolled(dir.path(), "a", &server.officer_everywhere("aziz"));
    let lines = corpus::lines(&corpus::write(dir.path(), 40, 9, &[]));
    let inspections: Vec<&Value> = lines.iter().filter(|l| l["kind"] == "inspection").collect();
    let mut import_takes = Takes::of(|| {
        device.import(&portion(dir.path(), inspections[0], u64::MAX >> 16).0);
    });
    let mut sync_takes = Takes::of(|| {
        device.json(&["sync"]);
    });
    let mut said: BTreeSet<String> = ids(&device);
    let (mut cut, mut finished) = (0_u64, 0_u64);
    let mut rounds: BTreeMap<u64, usize> = BTreeMap::new();
    for round in 0..kills {
        if random.below(4) == 0 {
            let printed = killed(&device, &["sync"], sync_takes.moment(&mut random));
            sync_takes.learn(printed.is_some());
            *(if printed.is_some() { &mut finished } else { &mut cut }) += 1;
        } else {
            let line = inspections[random.below(inspections.len() as u64) as usize];
            let (file, new) = portion(dir.path(), line, round);
            let printed = killed(&device, &["import", &file.display().to_string()], import_takes.moment(&mut random));
            import_takes.learn(printed.is_some());
            match printed {
                Some(report) => {
                    finished += 1;
                    assert_eq!(report["imported"], RECORDS_PER_IMPORT, "round {round}, seed {seed}: {report}");
                    said.extend(new);
                }
                None => {
                    cut += 1;
                    let there = ids(&device);
                    let some = new.iter().filter(|id| there.contains(*id)).count();
                    rounds.insert(round, some);
                    assert!([0, new.len()].contains(&some), "round {round}, seed {seed}: {some} of one act's records are there");
                    said.extend(new.into_iter().filter(|id| there.contains(id)));
                }
            }
        }
        let checked = device.json(&["verify"]);
        assert_eq!(checked["bad"], serde_json::json!([]), "round {round}, seed {seed}: {checked}");
        if round % 10 == 9 || round + 1 == kills {
            let there = ids(&device);
            let lost: Vec<&String> = said.difference(&there).collect();
            assert!(lost.is_empty(), "round {round}, seed {seed}: what was saved is gone: {lost:?}");
        }
    }
    device.json(&["sync"]);
    assert_eq!(device.json(&["status"])["waiting"], 0, "seed {seed}");
    server.must(&["verify"]);
    let whole = rounds.values().filter(|n| **n > 0).count();
    println!("{cut} commands were cut short, {whole} of them with their records saved; {finished} had finished; seed {seed}");
}
