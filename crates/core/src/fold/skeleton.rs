//! The skeleton of one word, built as a stack of ASCII letters on which no rule below applies any more, so that
//! folding a skeleton again changes nothing. Never splits text into words.

use super::letter::{Letter, compose, is_apostrophe, letter, lower};

/// How the two letters that writers disagree about are read. The index holds every reading, a query only the first.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reading {
    /// The word's first `o` as `u` (`Toxtayev` for `To‘xtayev`), its first `u` or `o‘` as `o` (`Umar`, `Omar`).
    pub rounded: bool,
    /// `x` between vowels as `ks`, and `ks` as `x` (`Alexey`, `Aleksey`).
    pub x: bool,
}

/// Which readings of a word would differ.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Doubt {
    pub rounded: bool,
    pub x: bool,
}

/// What the letter before was, where the next one depends on it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    LatinY,
    /// An `o`, and whether it left a letter on the stack.
    O(bool),
    Any,
}

/// Appends the skeleton of `word` to `out` and tells which other readings it has.
pub(super) fn append(out: &mut String, word: &str, reading: Reading) -> Doubt {
    let stack = Stack { start: out.len(), out };
    let mut word_so_far = Word { stack, reading, x: false, rounded_at: None, before: Before::Any };
    let mut chars = word.chars().map(lower).peekable();
    while let Some(mut c) = chars.next() {
        if let Some(joined) = chars.peek().and_then(|&mark| compose(c, mark)) {
            chars.next();
            c = joined;
        }
        let mut sound = letter(c);
        if sound == Letter::O {
            if chars.peek().is_some_and(|&next| is_apostrophe(next)) {
                chars.next();
                sound = Letter::RoundO;
            } else if word_so_far.swaps() && chars.peek() == Some(&'o') {
                // Noor, Mahmood
                chars.next();
            }
        }
        word_so_far.read(sound, chars.peek().copied());
    }
    word_so_far.finish()
}

/// A word half read.
struct Word<'a> {
    stack: Stack<'a>,
    reading: Reading,
    /// Whether an `x` or a `ks` between vowels was met.
    x: bool,
    /// Where in the output the first of `o`, `u`, `o‘` stands.
    rounded_at: Option<usize>,
    before: Before,
}

impl Word<'_> {
    fn read(&mut self, sound: Letter, next: Option<char>) {
        let before = std::mem::replace(&mut self.before, Before::Any);
        match sound {
            Letter::Sound("s") => self.read_s(),
            Letter::Sound(letters) => letters.bytes().for_each(|l| self.stack.push(l)),
            Letter::O if before == Before::LatinY && self.stack.is_consonant_and_i() => {
                self.stack.out.pop();
                self.stack.push(b'e');
            }
            Letter::O => self.before = Before::O(self.round(b'a', b'u')),
            Letter::U | Letter::RoundO => {
                if before == Before::O(true) && self.stack.top() == Some(b'a') {
                    self.stack.out.pop();
                }
                self.round(b'u', b'a');
            }
            Letter::Yo if self.stack.top().is_none_or(is_vowel) => {
                self.stack.push(b'i');
                self.round(b'a', b'u');
            }
            Letter::Yo => self.stack.push(b'e'),
            Letter::Yu => {
                self.stack.push(b'i');
                self.round(b'u', b'a');
            }
            Letter::LatinX => self.read_x(next),
            Letter::LatinY => self.before = if self.stack.grows(b'i') { Before::LatinY } else { Before::Any },
            Letter::Digit(c) | Letter::Other(c) => self.stack.keep(c),
            Letter::Silent => self.before = before,
        }
    }

    /// Whether the next rounded vowel is the one that this reading takes the other way.
    fn swaps(&self) -> bool {
        self.reading.rounded && self.rounded_at.is_none()
    }

    /// Pushes a rounded vowel and tells whether the stack is longer for it.
    fn round(&mut self, first: u8, other: u8) -> bool {
        let l = if self.swaps() { other } else { first };
        self.rounded_at.get_or_insert(self.stack.out.len());
        self.stack.grows(l)
    }

    fn read_s(&mut self) {
        let after_k = self.stack.top() == Some(b'k');
        self.x |= after_k;
        if after_k && self.reading.x {
            self.stack.out.pop();
            self.stack.push(b'h');
        } else {
            self.stack.push(b's');
        }
    }

    fn read_x(&mut self, next: Option<char>) {
        let between_vowels = self.stack.top().is_some_and(is_vowel) && next.is_none_or(is_vowel_letter);
        self.x |= between_vowels;
        if between_vowels && self.reading.x {
            self.stack.push(b'k');
            self.stack.push(b's');
        } else {
            self.stack.push(b'h');
        }
    }

    fn finish(mut self) -> Doubt {
        self.stack.finish();
        let tail = self.rounded_at.and_then(|at| self.stack.out.get(at..));
        // The `o` of `-ov` is never an `o‘`: without this every surname would be indexed twice.
        Doubt { rounded: tail.is_some_and(|tail| !matches!(tail, "av" | "ava" | "avich" | "avna")), x: self.x }
    }
}

/// What [`Stack::settle`] is told when no letter of the skeleton's alphabet follows.
const END: u8 = 0;

fn is_vowel(l: u8) -> bool {
    matches!(l, b'a' | b'e' | b'i' | b'u')
}

fn is_vowel_letter(c: char) -> bool {
    matches!(c, 'a' | 'e' | 'i' | 'o' | 'u' | 'y')
}

/// The word under construction: the bytes of `out` from `start`.
struct Stack<'a> {
    out: &'a mut String,
    start: usize,
}

impl Stack<'_> {
    fn word(&self) -> &[u8] {
        self.out.as_bytes().get(self.start..).unwrap_or_default()
    }

    fn top(&self) -> Option<u8> {
        self.word().last().copied()
    }

    fn put(&mut self, l: u8) {
        self.out.push(char::from(l));
    }

    /// Pushes `l` and tells whether the stack is longer for it.
    fn grows(&mut self, l: u8) -> bool {
        let length = self.out.len();
        self.push(l);
        self.out.len() > length
    }

    fn is_consonant_and_i(&self) -> bool {
        matches!(self.word(), [.., l, b'i'] if l.is_ascii_lowercase() && !is_vowel(*l))
    }

    /// Pushes a letter of the skeleton's alphabet, or a `c` whose sound the next letter decides.
    fn push(&mut self, l: u8) {
        if l == b'h' {
            return self.push_h();
        }
        self.settle(l);
        match (self.top(), l) {
            (Some(top), _) if top == l => {}
            // ye, ie, е, э
            (Some(b'i'), b'e') => {
                self.out.pop();
                self.push(b'e');
            }
            // dj, dzh, ҷ
            (Some(b'd'), b'j') => {
                self.out.pop();
                self.push(b'j');
            }
            _ => self.put(l),
        }
    }

    /// `h` makes one sound of the letter before it.
    fn push_h(&mut self) {
        let into = match self.word() {
            // shch, chch
            [.., b's' | b'c', b'h', b'c'] | [.., b's', b'h', b's'] => {
                self.out.pop();
                return;
            }
            [.., b's', b'c'] => b'h',
            [.., b't', b'c'] => {
                self.out.pop();
                self.out.pop();
                self.push(b'c');
                return self.push_h();
            }
            [.., b'k'] => b'h',
            [.., b'z'] => b'j',
            [.., b'p'] => b'f',
            [.., b'g' | b'h'] => return,
            _ => return self.put(b'h'),
        };
        self.out.pop();
        self.push(into);
    }

    /// Decides a `c` and a `ts` now that `next`, which is no `h`, follows: `sement` is `цемент`, but `Davlatsho` and
    /// `Ташкентский` keep their `t`.
    fn settle(&mut self, next: u8) {
        match self.word() {
            [.., b'c'] => {
                self.out.pop();
                self.push(if matches!(next, b'e' | b'i') { b's' } else { b'k' });
                self.settle(next);
            }
            [.., b't', b's'] if is_vowel(next) || next == END => {
                while self.word().ends_with(b"ts") {
                    self.out.pop();
                    self.out.pop();
                }
                self.push(b's');
            }
            _ => {}
        }
    }

    /// A digit or a letter of another script.
    fn keep(&mut self, c: char) {
        self.settle(END);
        self.out.push(c);
    }

    fn finish(&mut self) {
        self.settle(END);
        // Abdullah, Abdulla; shoh, sho
        if self.word().len() > 2 && self.word().ends_with(b"ah") {
            self.out.pop();
        }
        // Abdulrahman, Abdurrahman
        if matches!(self.word(), [b'a', b'b', b'd', b'u', b'l', b'd' | b'n' | b'r' | b's' | b't' | b'z', ..]) {
            self.out.remove(self.start + 4);
        }
    }
}
