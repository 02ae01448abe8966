//! Plates: how they are compared, and what an Uzbek one looks like. Hints only: never refuses a plate.

/// A plate as it is compared: upper case, no spaces or dashes, look-alike Cyrillic letters as Latin ones, O as 0.
pub fn fold_plate(plate: &str) -> String {
    tidy(plate).replace('O', "0")
}

/// Folds all but O and 0, which the forms below tell apart where the officer did.
fn tidy(plate: &str) -> String {
    plate
        .chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '-' | '‐' | '‑' | '‒' | '–' | '—' | '−' | '.' | '_'))
        .flat_map(char::to_uppercase)
        .map(|c| match c {
            'А' => 'A',
            'В' => 'B',
            'Е' | 'Ё' => 'E',
            'К' | 'Қ' => 'K',
            'М' => 'M',
            'Н' => 'H',
            'О' => 'O',
            'Р' => 'P',
            'С' => 'C',
            'Т' => 'T',
            'У' | 'Ү' | 'Ў' => 'Y',
            'Х' | 'Ҳ' => 'X',
            'І' => 'I',
            'Ј' => 'J',
            'Ѕ' => 'S',
            other => other,
        })
        .collect()
}

/// The forms of Uzbek plates since 2008 (R region, L letter, D digit).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UzbekForm {
    /// `RR L DDD LL`.
    Private,
    /// `RR DDD LLL`: legal persons and the government.
    Legal,
    /// `RR DDDD LL`.
    Trailer,
    /// `RR DDD LL`.
    TwoWheeler,
}

const FORMS: [(&str, UzbekForm); 4] = [
    ("RRLDDDLL", UzbekForm::Private),
    ("RRDDDLLL", UzbekForm::Legal),
    ("RRDDDDLL", UzbekForm::Trailer),
    ("RRDDDLL", UzbekForm::TwoWheeler),
];

/// The regions that the first two digits give.
pub const UZBEK_REGIONS: &[u8] = &[1, 10, 20, 25, 30, 40, 50, 60, 70, 75, 80, 85, 90, 95];

/// The form of an Uzbek plate, if it has one; a vanity plate, up to six characters since 2026, has none.
pub fn uzbek_form(plate: &str) -> Option<UzbekForm> {
    let tidy = tidy(plate);
    uzbek_region_digits(&tidy)?;
    let fits = |form: &str, letter: fn(char) -> bool, digit: fn(char) -> bool| {
        form.len() == tidy.chars().count() && form.chars().zip(tidy.chars()).all(|(f, c)| if f == 'L' { letter(c) } else { digit(c) })
    };
    let exact = |form| fits(form, |c| c.is_ascii_uppercase(), |c| c.is_ascii_digit());
    let lenient = |form| fits(form, |c| c.is_ascii_uppercase() || c == '0', |c| c.is_ascii_digit() || c == 'O');
    FORMS.iter().find(|(form, _)| exact(form)).or_else(|| FORMS.iter().find(|(form, _)| lenient(form))).map(|(_, form)| *form)
}

/// The region of an Uzbek plate of one of the forms.
pub fn uzbek_region(plate: &str) -> Option<u8> {
    uzbek_form(plate).and_then(|_| uzbek_region_digits(&tidy(plate)))
}

fn uzbek_region_digits(tidy: &str) -> Option<u8> {
    let digits: String = tidy.chars().take(2).map(|c| if c == 'O' { '0' } else { c }).collect();
    digits.parse().ok().filter(|r| digits.len() == 2 && UZBEK_REGIONS.contains(r))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plates_written_differently_compare_equal() {
        for (a, b) in [("01 A 123 BC", "01a123bc"), ("А123ВС 77", "A123BC77"), ("30-O-001-OO", "30 0 OO1 00"), ("о777оо 99", "O777OO99")]
        {
            assert_eq!(fold_plate(a), fold_plate(b), "{a} and {b} are one plate");
        }
        assert_ne!(fold_plate("01 A 123 BC"), fold_plate("01 A 128 BC"));
    }

    #[test]
    fn the_forms_of_uzbek_plates_are_told_apart() {
        for (plate, form, region) in [
            ("01 A 123 BC", Some(UzbekForm::Private), Some(1)),
            ("95 123 ABC", Some(UzbekForm::Legal), Some(95)),
            ("30 1234 AB", Some(UzbekForm::Trailer), Some(30)),
            ("75 123 AB", Some(UzbekForm::TwoWheeler), Some(75)),
            ("01 O 123 BC", Some(UzbekForm::Private), Some(1)),
            ("O1 A 123 BC", Some(UzbekForm::Private), Some(1)),
            ("02 A 123 BC", None, None),
            ("BOSS", None, None),
            ("А123ВС 77", None, None),
            ("", None, None),
            ("ў1", None, None),
        ] {
            assert_eq!((uzbek_form(plate), uzbek_region(plate)), (form, region), "{plate}");
        }
    }
}
