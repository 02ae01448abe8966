//! The words of `./x bench`. Decides what is measured, never how.

/// What can be measured, by the name that `--only` takes.
pub const MEASUREMENTS: &[(&str, &str)] = &[
    ("save", "durable save of one record, beside a bare SQLCipher and the peers"),
    ("exchange", "push of the corpus and pull by a second device"),
    ("small", "nothing new, and one amendment"),
    ("opening", "from the PIN to the first records"),
    ("memory", "the device's memory after unlocking, while it pushes and pulls"),
    ("handshake", "bytes of TLS, in full and resumed"),
    ("weak", "100 inspections over 64 kbit/s with 600 ms"),
    ("cut", "the same with every connection cut after 5 s"),
    ("unseen", "push of texts that no dictionary has seen"),
    ("growth", "small things at 1 k, 10 k and 100 k records"),
    ("conflict", "what is left when two devices write apart"),
];

/// The corpus that the bars are for.
pub const INSPECTIONS: u32 = 10_000;

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    only: Option<Vec<String>>,
    /// Five runs of every peer, however long they take.
    pub full: bool,
    /// Other programs beside ours.
    pub peers: bool,
    /// The corpus's size.
    pub inspections: u32,
}

impl Options {
    /// Reads the words; the error is a sentence.
    pub fn read(words: &[String]) -> Result<Self, String> {
        let mut options = Self { only: None, full: false, peers: true, inspections: INSPECTIONS };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--full" => options.full = true,
                "--no-peers" => options.peers = false,
                "--only" => options.only = Some(names(words.next())?),
                number if !number.starts_with('-') => {
                    options.inspections =
                        number.parse().ok().filter(|n| *n >= 100).ok_or(format!("{number}: say 100 inspections or more"))?;
                }
                other => return Err(format!("'{other}' is not known; --help lists what is")),
            }
        }
        Ok(options)
    }

    /// Whether this is to be measured.
    pub fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.iter().any(|o| o == name))
    }

    /// Whether the corpus is the one that absolute bars are for.
    pub fn is_standard(&self) -> bool {
        self.inspections == INSPECTIONS
    }
}

fn names(word: Option<&String>) -> Result<Vec<String>, String> {
    let all = || MEASUREMENTS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let names: Vec<String> = word.ok_or_else(|| format!("--only wants names: {}", all()))?.split(',').map(str::to_owned).collect();
    match names.iter().find(|name| MEASUREMENTS.iter().all(|(known, _)| known != name)) {
        Some(unknown) => Err(format!("there is no measurement '{unknown}': {}", all())),
        None => Ok(names),
    }
}

/// What `--help` says.
pub fn help() -> String {
    let lines: String = MEASUREMENTS.iter().map(|(name, about)| format!("  {name:<10} {about}\n")).collect();
    format!(
        "./x bench [--only NAME,…] [--full] [--no-peers] [inspections]\n\n\
         The figures of this version beside PouchDB, TaskChampion, Automerge and a bare SQLCipher in the same run: a table and\n\
         JSON lines. The corpus has {INSPECTIONS} inspections if nothing else is said; absolute bars of a push hold for that alone.\n\n\
         {lines}\n\
         --full      five runs of every peer, however long, and five minutes for a peer on a link that is cut\n\
         --no-peers  installs and runs no other program\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Options, String> {
        Options::read(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn names_a_size_and_flags_come_in_any_order() {
        let options = read("500 --only save,small --full").expect("all of it is known");
        assert!(options.wants("save") && options.wants("small") && !options.wants("weak"));
        assert!(options.full && options.peers && options.inspections == 500 && !options.is_standard());
        assert!(read("").expect("nothing is all").wants("growth"));
    }

    #[test]
    fn what_is_not_known_is_refused_with_what_is() {
        for bad in ["--only saves", "--only", "--fast", "7", "many"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(read("--only x").is_err_and(|why| why.contains("growth")), "the error lists the names");
    }
}
