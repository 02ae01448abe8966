//! One character at a time: which sound a letter of any of our alphabets stands for. Never looks at a whole word.

/// What a lower-cased character contributes to a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Letter {
    /// One or two letters of the skeleton's alphabet.
    Sound(&'static str),
    /// A plain `o` or `о`: Latin `o‘` is often typed so.
    O,
    /// `u`, `у`.
    U,
    /// `o‘`, `ў`, `õ`, `ӯ`, `ө`: between the two above.
    RoundO,
    /// `ё`.
    Yo,
    /// `ю`.
    Yu,
    /// Latin `x`: `х` in Uzbek, `кс` in a foreign name.
    LatinX,
    /// Latin `y`, which makes `yo` of a following `o`.
    LatinY,
    /// An ASCII digit, whatever its script was.
    Digit(char),
    /// A letter of another script, kept as it is.
    Other(char),
    /// An apostrophe, a combining mark, a hard or soft sign.
    Silent,
}

/// Whether `c` belongs to a word: letters, digits, apostrophes, combining marks.
pub(super) fn is_word(c: char) -> bool {
    match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '\'' | '`' => true,
        '\0'..='\u{7f}' => false,
        _ => is_apostrophe(c) || is_mark(c) || c.is_alphanumeric(),
    }
}

/// Every sign that is typed for the Uzbek turned comma and for the glottal stop.
pub(super) fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '`' | '´' | '‘' | '’' | '‛' | '′' | 'ʹ' | 'ʻ' | 'ʼ' | 'ʽ' | 'ʾ' | 'ʿ' | 'ˈ' | 'ˊ' | 'ˋ' | 'ꞌ' | '＇' | '｀')
}

/// Combining marks of the scripts we meet, soft hyphen, joiners and the Arabic tatweel.
fn is_mark(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{300}'..='\u{36f}' | '\u{483}'..='\u{487}' | '\u{610}'..='\u{61a}' | '\u{640}' | '\u{64b}'..='\u{65f}'
        | '\u{670}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{200b}'..='\u{200d}' | '\u{2060}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{fe20}'..='\u{fe2f}' | '\u{feff}')
}

/// The lower-case, half-width form of `c`; ASCII digits for the Arabic and Persian ones.
pub(super) fn lower(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    let digit = match c {
        '\u{660}'..='\u{669}' => Some(u32::from(c) - 0x660 + 0x30),
        '\u{6f0}'..='\u{6f9}' => Some(u32::from(c) - 0x6f0 + 0x30),
        '\u{ff10}'..='\u{ff19}' | '\u{ff21}'..='\u{ff3a}' | '\u{ff41}'..='\u{ff5a}' => Some(u32::from(c) - 0xfee0),
        _ => None,
    };
    match digit.and_then(char::from_u32) {
        Some(ascii) => ascii.to_ascii_lowercase(),
        None => c.to_lowercase().next().unwrap_or(c),
    }
}

/// The letter that `base` and a following combining mark make, where the mark changes the sound.
pub(super) fn compose(base: char, mark: char) -> Option<char> {
    match (base, mark) {
        ('o', '\u{301}' | '\u{303}' | '\u{304}' | '\u{306}' | '\u{308}') => Some('õ'),
        ('s', '\u{326}' | '\u{327}' | '\u{30c}') => Some('ş'),
        ('c', '\u{301}' | '\u{327}' | '\u{30c}') => Some('ç'),
        ('z', '\u{30c}') => Some('ž'),
        ('е', '\u{308}') => Some('ё'),
        ('у', '\u{304}' | '\u{306}') => Some('ў'),
        _ => None,
    }
}

/// The sound of `c`, which [`lower`] has already passed.
pub(super) fn letter(c: char) -> Letter {
    if c.is_ascii() {
        return latin(c);
    }
    if is_apostrophe(c) || is_mark(c) {
        return Letter::Silent;
    }
    if matches!(c, '\u{400}'..='\u{52f}') { cyrillic(c) } else { extended(c) }
}

fn latin(c: char) -> Letter {
    Letter::Sound(match c {
        'a' => "a",
        'b' => "b",
        'c' => "c",
        'd' => "d",
        'e' => "e",
        'f' => "f",
        'g' => "g",
        'h' => "h",
        'i' => "i",
        'j' => "j",
        'k' | 'q' => "k",
        'l' => "l",
        'm' => "m",
        'n' => "n",
        'o' => return Letter::O,
        'p' => "p",
        'r' => "r",
        's' => "s",
        't' => "t",
        'u' => return Letter::U,
        'v' | 'w' => "v",
        'x' => return Letter::LatinX,
        'y' => return Letter::LatinY,
        'z' => "z",
        '0'..='9' => return Letter::Digit(c),
        _ => return Letter::Silent,
    })
}

fn cyrillic(c: char) -> Letter {
    Letter::Sound(match c {
        'а' | 'ә' | 'ӑ' | 'ӓ' => "a",
        'б' => "b",
        'в' => "v",
        'г' | 'ғ' | 'ґ' | 'ѓ' | 'ӷ' => "g",
        'д' => "d",
        'е' | 'э' | 'є' | 'ѐ' | 'ӗ' => "e",
        'ё' => return Letter::Yo,
        'ж' | 'ҷ' | 'җ' | 'џ' | 'ӂ' | 'ӌ' => "j",
        'з' | 'ҙ' => "z",
        'и' | 'й' | 'ы' | 'і' | 'ї' | 'ӣ' | 'ѝ' | 'ј' | 'ӥ' => "i",
        'к' | 'қ' | 'ҝ' | 'ҡ' | 'ќ' | 'ӄ' => "k",
        'л' => "l",
        'м' => "m",
        'н' | 'ң' | 'ҥ' | 'ӈ' => "n",
        'о' => return Letter::O,
        'ў' | 'ӯ' | 'ө' | 'ү' | 'ұ' | 'ӧ' => return Letter::RoundO,
        'п' => "p",
        'р' => "r",
        'с' | 'ҫ' => "s",
        'т' => "t",
        'у' | 'ӱ' | 'ӳ' => return Letter::U,
        'ф' => "f",
        'х' | 'ҳ' | 'һ' | 'ӽ' => "h",
        'ц' => "ts",
        'ч' | 'ҹ' => "ch",
        'ш' | 'щ' => "sh",
        'ъ' | 'ь' => return Letter::Silent,
        'ю' => return Letter::Yu,
        'я' => "ia",
        _ => return Letter::Other(c),
    })
}

fn extended(c: char) -> Letter {
    Letter::Sound(match c {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ā' | 'ă' | 'ą' | 'ǎ' | 'ə' | 'ǝ' | 'æ' => "a",
        'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' => "ch",
        'ď' | 'đ' | 'ð' => "d",
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' => "e",
        'ĝ' | 'ğ' | 'ġ' | 'ģ' | 'ǵ' | 'ǧ' => "g",
        'ĥ' | 'ħ' | 'ḥ' | 'ḩ' | 'ḫ' => "h",
        'ì' | 'í' | 'î' | 'ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' | 'ı' | 'ý' | 'ÿ' | 'ŷ' => "i",
        'ĵ' | 'ž' | 'ǰ' => "j",
        'ķ' | 'ḳ' => "k",
        'ĺ' | 'ļ' | 'ľ' | 'ł' => "l",
        'ñ' | 'ń' | 'ņ' | 'ň' | 'ŋ' => "n",
        'ò' | 'ô' | 'ø' => return Letter::O,
        'ó' | 'õ' | 'ö' | 'ō' | 'ŏ' | 'ő' | 'ɵ' => return Letter::RoundO,
        'ŕ' | 'ř' => "r",
        'ś' | 'ṣ' => "s",
        'š' | 'ş' | 'ș' | 'ŝ' => "sh",
        'ß' => "s",
        'ť' | 'ţ' | 'ț' | 'ṭ' => "t",
        'ù' | 'ú' | 'û' | 'ü' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' => return Letter::U,
        'ŵ' => "v",
        'ź' | 'ż' | 'ẓ' => "z",
        'ي' | 'ى' => return Letter::Other('ی'),
        'ك' => return Letter::Other('ک'),
        'أ' | 'إ' | 'آ' => return Letter::Other('ا'),
        _ => return Letter::Other(c),
    })
}
