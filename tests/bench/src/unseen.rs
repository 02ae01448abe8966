//! A push whose free texts no dictionary has seen: names and remarks of invented, pronounceable words. The fields' names,
//! the codes and the numbers stay.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::daftar::{Pair, sync, unseal, xz_bytes};
use crate::figures::{Bar, Figures, Row};

/// Fields that hold running text: each word becomes one that is drawn anew.
const RUNNING: [&str; 3] = ["remarks", "text", "description"];
/// Fields that hold names: the same name stays the same name.
const NAMES: [&str; 6] = ["family_name", "given_name", "patronymic", "declared", "make", "model"];
/// Words of the invented language.
const WORDS: u64 = 6_000;
const SEED: u64 = 0x5eed_0f0d_a27a_0001;

/// A stream of numbers that is the same on every machine (SplitMix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// The word with this number: two to four syllables, in one of two scripts.
fn word(number: u64) -> String {
    const LATIN: ([&str; 16], [&str; 8]) =
        (["b", "d", "f", "gr", "h", "k", "l", "m", "n", "pl", "r", "st", "t", "v", "w", "z"], ["a", "e", "i", "o", "u", "ai", "eo", "y"]);
    const CYRILLIC: ([&str; 16], [&str; 8]) =
        (["б", "д", "ф", "гр", "х", "к", "л", "м", "н", "пл", "р", "ст", "т", "в", "ц", "з"], ["а", "е", "и", "о", "у", "ы", "я", "ю"]);
    let mut dice = Dice(SEED ^ number.wrapping_mul(0x2545_f491_4f6c_dd1d));
    let (heads, tails) = if dice.below(2) == 0 { LATIN } else { CYRILLIC };
    let syllables = 2 + dice.below(3);
    (0..syllables).map(|_| format!("{}{}", heads[dice.below(16) as usize], tails[dice.below(8) as usize])).collect()
}

struct Language {
    dice: Dice,
    names: HashMap<String, u64>,
}

impl Language {
    /// A word as often as words are: the n-th about 1/n of the time.
    fn any(&mut self) -> String {
        let share = self.dice.below(1 << 32) as f64 / f64::from(u32::MAX);
        word((WORDS as f64).powf(share) as u64)
    }

    fn name(&mut self, of: &str) -> String {
        let next = WORDS + 1 + self.names.len() as u64;
        let text = word(*self.names.entry(of.to_lowercase()).or_insert(next));
        let mut letters = text.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    }

    /// The text with every run of letters replaced; digits and signs stay.
    fn put(&mut self, text: &str, is_name: bool) -> String {
        let (mut out, mut run) = (String::new(), String::new());
        for letter in text.chars().chain(['\0']) {
            if letter.is_alphabetic() || "‘'".contains(letter) {
                run.push(letter);
                continue;
            }
            if !run.is_empty() {
                out += &if is_name { self.name(&run) } else { self.any() };
                run.clear();
            }
            if letter != '\0' {
                out.push(letter);
            }
        }
        out
    }

    fn turn(&mut self, value: &mut Value) {
        match value {
            Value::Object(map) => {
                for (key, inner) in map {
                    match inner {
                        Value::String(text) if RUNNING.contains(&key.as_str()) => *text = self.put(text, false),
                        Value::String(text) if NAMES.contains(&key.as_str()) => *text = self.put(text, true),
                        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
                        Value::Array(_) | Value::Object(_) => self.turn(inner),
                    }
                }
            }
            Value::Array(list) => list.iter_mut().for_each(|inner| self.turn(inner)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

/// Writes the corpus with its texts turned into the invented language.
pub fn write(corpus: &Path, dir: &Path) -> PathBuf {
    let mut language = Language { dice: Dice(SEED), names: HashMap::new() };
    let mut text = String::new();
    for mut line in daftar_tests::corpus::lines(corpus) {
        language.turn(&mut line["data"]);
        text += &format!("{line}\n");
    }
    let path = dir.join("unseen.ndjson");
    std::fs::write(&path, text).expect("the folder can be written");
    path
}

/// Measures the push.
pub fn measure(dir: &Path, corpus: &Path, figures: &mut Figures) {
    eprintln!("── unseen");
    let unseen = write(corpus, dir);
    let pair = Pair::new(dir);
    pair.a.import(&unseen);
    unseal(&pair.a);
    let row = Row::one("push of unseen texts, up", sync(&pair.a).get("bytes_up") / 1e6, "MB");
    figures.add(row.beside("xz -9e", xz_bytes(&unseen).map(|b| b / 1e6)).bar(Bar::Goal("xz -9e", 1.0)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_texts_change_and_a_name_stays_one_name() {
        let mut language = Language { dice: Dice(SEED), names: HashMap::new() };
        let before = json!({"remarks": "Осмотрено: 5 мин.", "number": "IMT-1", "vehicle": {"make": "Kia", "plate": "01 A"},
            "persons": [{"family_name": "Karimov"}, {"family_name": "Karimov"}]});
        let mut after = before.clone();
        language.turn(&mut after);
        assert_eq!((&after["number"], &after["vehicle"]["plate"]), (&before["number"], &before["vehicle"]["plate"]));
        assert_eq!(after["persons"][0], after["persons"][1], "the same name");
        for (new, old) in [(&after["remarks"], &before["remarks"]), (&after["persons"][0], &before["persons"][0])] {
            assert_ne!(new, old, "the text is another");
        }
        assert!(after["remarks"].as_str().is_some_and(|t| t.contains(": 5 ")), "numbers and signs stay: {after}");
    }
}
