//! Plates, phones and other numbers: letters and digits joined into one term however they were spaced. Never judges
//! whether a plate is valid.

use super::letter::{Letter, is_apostrophe, is_word, letter, lower};

/// The longest joined term, in characters: two container numbers, one IBAN.
const RUN_CHARS_MAX: usize = 32;
/// Letters that stand apart from the digits and still belong to the number: `KG`, `MSKU`.
const APART_LETTERS_MAX: usize = 4;
/// Separators between the parts of one number: `+998 (90) 123`.
const GAP_CHARS_MAX: usize = 3;

/// What lies between a piece and the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gap {
    /// Nothing: `A` and `123` in `A123`.
    None,
    /// One hyphen.
    Hyphen,
    /// A few separators that do not end a number.
    Near,
    Far,
}

/// A stretch of letters, or of digits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    pub text: &'a str,
    pub digits: bool,
    pub gap: Gap,
    /// Length in characters.
    pub chars: usize,
}

/// Splits `text` into its pieces, in order.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut found: Vec<Piece<'_>> = Vec::new();
    let mut end = 0;
    let mut rest = text.char_indices().peekable();
    while let Some((from, first)) = rest.next() {
        if !is_word(first) || (is_apostrophe(first)) {
            continue;
        }
        let digits = is_digit(first);
        let mut to = from + first.len_utf8();
        let mut chars = 1;
        while let Some(&(at, c)) = rest.peek() {
            if !is_word(c) || (is_digit(c) != digits && !is_apostrophe(c)) {
                break;
            }
            to = at + c.len_utf8();
            chars += usize::from(!is_apostrophe(c));
            rest.next();
        }
        let gap = if found.is_empty() { Gap::Far } else { gap(text.get(end..from).unwrap_or_default()) };
        found.push(Piece { text: text.get(from..to).unwrap_or_default(), digits, gap, chars });
        end = to;
    }
    found
}

fn is_digit(c: char) -> bool {
    lower(c).is_ascii_digit()
}

fn gap(between: &str) -> Gap {
    let may_join = |c| matches!(c, ' ' | '-' | '\u{a0}' | '\u{202f}' | '\u{2009}' | '.' | '(' | ')' | '/' | '_' | '–' | '‑' | '\'' | '’');
    match between {
        "" => Gap::None,
        "-" | "‑" => Gap::Hyphen,
        _ if between.chars().count() <= GAP_CHARS_MAX && between.chars().all(may_join) => Gap::Near,
        _ => Gap::Far,
    }
}

/// Calls `emit` with every joined term of the numbers in `all`: from each piece to the number's end, and the last eight,
/// nine and ten digits of what may be a phone.
pub(super) fn index(all: &[Piece<'_>], mut emit: impl FnMut(&str)) {
    let mut at = 0;
    while at < all.len() {
        let length = all.iter().enumerate().skip(at).take_while(|&(i, piece)| joins(all, i) && (i == at || piece.gap != Gap::Far)).count();
        let run = all.get(at..at + length).unwrap_or_default();
        at += length.max(1);
        if !run.iter().any(|piece| piece.digits) {
            continue;
        }
        (0..run.len()).for_each(|from| emit(&joined(run.get(from..).unwrap_or_default())));
        for stretch in run.split(|piece| !piece.digits) {
            emit_tails(&joined(stretch), &mut emit);
            stretch.iter().for_each(|piece| emit_tails(&joined(std::slice::from_ref(piece)), &mut emit));
        }
    }
}

/// Whether piece `i` may be part of a number.
fn joins(all: &[Piece<'_>], i: usize) -> bool {
    let Some(piece) = all.get(i) else { return false };
    let tied_before = piece.gap == Gap::None;
    let tied_after = all.get(i + 1).is_some_and(|next| next.gap == Gap::None);
    piece.digits || piece.chars <= APART_LETTERS_MAX || tied_before || tied_after
}

fn emit_tails(digits: &str, emit: &mut impl FnMut(&str)) {
    (8..=10).filter(|_| digits.len() > 8).filter_map(|n| digits.get(digits.len().checked_sub(n)?..)).for_each(emit);
}

/// The number that a query has at the head of `all`, and how many pieces it took.
pub(super) fn query(all: &[Piece<'_>]) -> Option<(String, usize)> {
    let mut length = match all {
        [first, ..] if first.digits => 1,
        [first, next, ..] if next.digits && (next.gap == Gap::None || near(next) && first.chars <= 2 && next.chars >= 3) => 2,
        _ => return None,
    };
    while let (Some(run), Some(next)) = (all.get(..length), all.get(length))
        && continues(run, next)
    {
        length += 1;
    }
    let term = joined(all.get(..length)?);
    Some((subscriber(term), length))
}

fn near(piece: &Piece<'_>) -> bool {
    matches!(piece.gap, Gap::Near | Gap::Hyphen)
}

/// Whether `next` still belongs to the number `run` of a query. Stricter than the index: what is not joined is searched
/// for apart, and found too.
fn continues(run: &[Piece<'_>], next: &Piece<'_>) -> bool {
    if next.gap == Gap::None {
        return true;
    }
    let prefix = if run.first().is_some_and(|piece| piece.text.starts_with("00")) { 2 } else { 0 };
    let chars = run.iter().map(|piece| piece.chars).sum::<usize>() - prefix;
    let last_digits = run.last().map_or(0, |piece| if piece.digits { piece.chars } else { 0 });
    let only_digits = run.iter().all(|piece| piece.digits);
    let room = if only_digits { chars < 9 || (chars < 12 && next.chars < 5) } else { chars < 8 };
    let letters_fit = match next.chars {
        1 => last_digits > 0,
        2 => (2..=4).contains(&last_digits),
        3 => last_digits == 3 && next.text.chars().all(char::is_uppercase),
        _ => false,
    };
    near(next) && room && (next.digits || (letters_fit && chars < 8))
}

/// A phone in international form becomes the digits that the country's own form ends with.
fn subscriber(term: String) -> String {
    if !term.bytes().all(|b| b.is_ascii_digit()) {
        return term;
    }
    let national = term.strip_prefix("00").filter(|rest| rest.len() >= 11).unwrap_or(&term);
    let tail = match (national.len(), national.as_bytes()) {
        (12, [b'9', b'9', b'2' | b'4' | b'5' | b'6' | b'8', ..]) | (11, [b'7' | b'8', ..] | [b'9', b'3', ..]) | (10, [b'0', ..]) => 9,
        (11, [b'9', b'9', b'3', ..]) => 8,
        _ => return term,
    };
    national.get(national.len() - tail..).unwrap_or(national).to_owned()
}

/// The pieces as one term in which letters of one shape are one letter and `O` is a zero.
fn joined(run: &[Piece<'_>]) -> String {
    let mut term = String::new();
    let mut room = RUN_CHARS_MAX;
    for c in run.iter().flat_map(|piece| piece.text.chars()).map(lower) {
        if room == 0 {
            break;
        }
        let length = term.len();
        push_shape(&mut term, c);
        room -= usize::from(term.len() > length);
    }
    term
}

fn push_shape(term: &mut String, c: char) {
    term.push(match c {
        'o' | 'о' => '0',
        'a'..='z' | '0'..='9' => c,
        'а' => 'a',
        'в' => 'b',
        'е' | 'ё' => 'e',
        'к' => 'k',
        'м' => 'm',
        'н' => 'h',
        'р' => 'p',
        'с' => 'c',
        'т' => 't',
        'у' => 'y',
        'х' => 'x',
        _ => match letter(c) {
            Letter::Sound(letters) => return term.push_str(letters),
            Letter::O | Letter::RoundO => '0',
            Letter::U => 'u',
            Letter::Yo => 'e',
            Letter::Yu => 'u',
            Letter::LatinX => 'x',
            Letter::LatinY => 'y',
            Letter::Digit(c) | Letter::Other(c) => c,
            Letter::Silent => return,
        },
    });
}
