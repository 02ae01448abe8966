//! The folding of names across scripts for search: skeletons, what is indexed, what is asked. Never touches an index.
//!
//! A skeleton keeps the consonants and tells `a` (also `o`), `e`, `i` (also `y`) and `u` (also `o‘`) apart. A query has one
//! reading of each word, the index has them all, so that two spellings meet whichever of them was stored.

mod letter;
mod names;
mod run;
mod skeleton;

use letter::is_word;
use run::{Gap, Piece};
use skeleton::Reading;
use std::collections::HashSet;

/// The most terms of one query: a pasted page asks for its first words.
pub const QUERY_TERMS_MAX: usize = 32;

/// A term this long loses a final `i`, so that `Vasili`, half typed, is found in `Васильев`.
const FINAL_I_CHARS_MIN: usize = 5;

/// The skeletons of the words of `text`, separated by single spaces; digits stay as they are.
///
/// ```
/// # use daftar_core::fold::fold;
/// assert_eq!(fold("Юсупов Қўқон"), fold("IUSUPOV, Qo‘qon"));
/// ```
pub fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split(|c| !is_word(c)).filter(|word| !word.is_empty()) {
        let end = out.len();
        if end > 0 {
            out.push(' ');
        }
        let start = out.len();
        skeleton::append(&mut out, word, Reading::default());
        if out.len() == start {
            out.truncate(end);
        }
    }
    out
}

/// What is indexed for `text`, separated by single spaces, each term once: every reading of every word, the other
/// names of a place, and plates, phones and numbers in one piece.
pub fn index_terms(text: &str) -> String {
    let pieces = run::pieces(text);
    let mut terms = Terms::default();
    for (i, piece) in pieces.iter().enumerate() {
        if piece.digits {
            continue;
        }
        terms.word(piece.text);
        let rest = pieces.get(i..).unwrap_or_default();
        if let Some((joined, _)) = compound(rest, false) {
            terms.word(&joined);
        }
        if let Some((joined, _)) = several_words(rest) {
            names::spellings(&joined, |spelling| terms.add(spelling));
        }
    }
    run::index(&pieces, |term| {
        terms.add(term);
        // `BC` is asked for as a word, and may have been stored as `ВС`.
        if !term.bytes().any(|b| b.is_ascii_digit()) {
            terms.add(&fold(term));
        }
    });
    terms.out
}

/// The terms that must all match, each as a prefix of an indexed term: `"term"* AND …`. Empty when `text` has no word.
pub fn query_terms(text: &str) -> Vec<String> {
    let pieces = run::pieces(text);
    let mut terms: Vec<String> = Vec::new();
    let mut at = 0;
    while let Some(rest) = pieces.get(at..).filter(|rest| !rest.is_empty() && terms.len() < QUERY_TERMS_MAX) {
        let (term, taken) = run::query(rest)
            .or_else(|| several_words(rest))
            .or_else(|| compound(rest, true).map(|(joined, taken)| (query_word(&joined), taken)))
            .unwrap_or_else(|| (rest.first().map(|piece| query_word(piece.text)).unwrap_or_default(), 1));
        at += taken;
        if !term.is_empty() && !terms.contains(&term) {
            terms.push(term);
        }
    }
    terms
}

fn query_word(word: &str) -> String {
    let mut term = fold(word);
    if let Some(place) = names::without_case(&term) {
        return place;
    }
    if term.len() >= FINAL_I_CHARS_MIN && term.ends_with('i') {
        term.pop();
    }
    term
}

/// A name of two or three words that the table knows, as one term, at the head of `pieces`.
fn several_words(pieces: &[Piece<'_>]) -> Option<(String, usize)> {
    let words = words(pieces);
    let longest = words.len().min(names::WORDS_MAX);
    (2..=longest).rev().find_map(|count| {
        let joined: String = words.iter().take(count).map(|piece| fold(piece.text)).collect();
        names::knows(&joined).then_some((joined, count))
    })
}

/// The pieces of letters at the head of `pieces` that a separator does not part.
fn words<'a, 'p>(pieces: &'a [Piece<'p>]) -> &'a [Piece<'p>] {
    let apart =
        |(i, piece): (usize, &Piece<'_>)| piece.digits || piece.chars == 0 || (i > 0 && !matches!(piece.gap, Gap::Near | Gap::Hyphen));
    let end = pieces.iter().take(names::WORDS_MAX).enumerate().position(apart).unwrap_or(pieces.len().min(names::WORDS_MAX));
    pieces.get(..end).unwrap_or_default()
}

/// A name that is also written in one word, `Abdul Aziz`, `Ota-bek`, and the pieces it took. A query joins `Ali jon` only
/// over a hyphen, because `Khan` may be a name of its own; the index joins it always.
fn compound(pieces: &[Piece<'_>], is_query: bool) -> Option<(String, usize)> {
    let [first, second, rest @ ..] = words(pieces) else { return None };
    let (head, tail) = (fold(first.text), fold(second.text));
    match (head.as_str(), tail.as_str(), rest.first()) {
        ("abd", "al" | "ul" | "el" | "ur" | "ar", Some(third)) => Some((format!("abdul{}", third.text), 3)),
        ("abdul" | "abdal" | "abdel" | "abdur" | "abdar", _, _) => Some((format!("abdul{}", second.text), 2)),
        ("abdu", _, _) | (_, "zada", _) => Some((format!("{}{}", first.text, second.text), 2)),
        (_, "jan" | "bek" | "han" | "bai" | "hadja" | "gul", _) if !is_query || second.gap == Gap::Hyphen => {
            Some((format!("{}{}", first.text, second.text), 2))
        }
        _ => None,
    }
}

/// The terms of an index entry.
#[derive(Default)]
struct Terms {
    seen: HashSet<String>,
    out: String,
}

impl Terms {
    fn add(&mut self, term: &str) {
        if term.is_empty() || self.seen.contains(term) {
            return;
        }
        if !self.out.is_empty() {
            self.out.push(' ');
        }
        self.out.push_str(term);
        self.seen.insert(term.to_owned());
    }

    /// Every reading of one word, and the other spellings of the name it is.
    fn word(&mut self, word: &str) {
        let mut main = String::new();
        let doubt = skeleton::append(&mut main, word, Reading::default());
        self.add(&main);
        for (rounded, x) in [(true, false), (false, true), (true, true)] {
            if (!rounded || doubt.rounded) && (!x || doubt.x) {
                let mut other = String::new();
                skeleton::append(&mut other, word, Reading { rounded, x });
                if !names::are_two(&main, &other) {
                    self.add(&other);
                }
            }
        }
        names::spellings(&main, |spelling| self.add(spelling));
    }
}
