//! The claims of `daftar_core::fold`: which writings meet, and that no text breaks it. Never tests an index.

use daftar_core::fold::{QUERY_TERMS_MAX, fold, index_terms, query_terms};
use proptest::prelude::*;

const PAIRS: &str = include_str!("fold_pairs.tsv");

/// Whether `query` finds a record that holds `stored`.
fn finds(query: &str, stored: &str) -> bool {
    let index = index_terms(stored);
    let terms = query_terms(query);
    !terms.is_empty() && terms.iter().all(|term| index.split(' ').any(|word| word.starts_with(term.as_str())))
}

fn explain(query: &str, stored: &str) -> String {
    format!("{query} {:?} in {stored} [{}]", query_terms(query), index_terms(stored))
}

fn pairs(verdict: &str) -> Vec<(&'static str, &'static str)> {
    let rows = PAIRS.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect::<Vec<_>>());
    rows.filter_map(|row| match row.as_slice() {
        [found, one, other] => (*found == verdict).then_some((*one, *other)),
        _ => panic!("a row has three columns: {row:?}"),
    })
    .collect()
}

#[test]
fn two_writings_of_a_name_find_each_other() {
    let pairs = pairs("meet");
    assert!(pairs.len() >= 200, "the design asks for 200 pairs, there are {}", pairs.len());
    let both = pairs.iter().flat_map(|(one, other)| [(one, other), (other, one)]);
    let missed: Vec<String> = both.filter(|(query, stored)| !finds(query, stored)).map(|(query, stored)| explain(query, stored)).collect();
    assert!(missed.is_empty(), "not found:\n{}", missed.join("\n"));
}

#[test]
fn different_names_do_not_find_each_other() {
    let pairs = pairs("apart");
    assert!(pairs.len() >= 40, "the design asks for 40 pairs, there are {}", pairs.len());
    let both = pairs.iter().flat_map(|(one, other)| [(one, other), (other, one)]);
    let merged: Vec<String> = both.filter(|(query, stored)| finds(query, stored)).map(|(query, stored)| explain(query, stored)).collect();
    assert!(merged.is_empty(), "merged:\n{}", merged.join("\n"));
}

#[test]
fn every_writing_is_found_by_itself() {
    let texts = pairs("meet").into_iter().chain(pairs("apart")).flat_map(|(one, other)| [one, other]);
    let missed: Vec<String> = texts.filter(|text| !finds(text, text)).map(|text| explain(text, text)).collect();
    assert!(missed.is_empty(), "not found:\n{}", missed.join("\n"));
}

#[test]
fn every_apostrophe_form_of_the_turned_comma_folds_alike() {
    for sign in ["'", "‘", "’", "ʻ", "ʼ", "`", "´", "′", "ʹ", "ʽ", "＇"] {
        assert_eq!(fold(&format!("Qo{sign}qon G{sign}ayrat")), fold("Қўқон Ғайрат"), "the sign is {sign}");
    }
}

#[test]
fn a_letter_and_its_combining_mark_fold_as_the_letter() {
    for (apart, whole) in [("o\u{303}", "õ"), ("s\u{327}", "ş"), ("g\u{306}", "ğ"), ("c\u{327}", "ç"), ("у\u{306}", "ў"), ("и\u{306}", "й")]
    {
        assert_eq!(fold(&format!("a{apart}a")), fold(&format!("a{whole}a")));
    }
}

#[test]
fn half_a_plate_finds_the_plate() {
    for query in ["01A123", "01a 123", "01 A", "123 BC", "01А123ВС", "01 а 123 вс", "BC", "123bc"] {
        assert!(finds(query, "Damas 01 A 123 BC, Karimov"), "{}", explain(query, "Damas 01 A 123 BC, Karimov"));
        assert!(finds(query, "Дамас 01А123ВС Каримов"), "{}", explain(query, "Дамас 01А123ВС Каримов"));
    }
}

#[test]
fn a_phone_is_found_in_every_national_form_and_half_typed() {
    for stored in ["+998 90 123 45 67", "998901234567", "tel. +998(90)123-45-67, Ali", "90 123-45-67"] {
        for query in ["998901234567", "+998 90 123 45 67", "901234567", "90 123 45", "00998901234567"] {
            assert!(finds(query, stored), "{}", explain(query, stored));
        }
    }
    assert!(finds("+998 90 12", "+998901234567"));
}

#[test]
fn a_name_next_to_a_number_is_searched_apart() {
    assert_eq!(query_terms("Karimov 01A123 Rustam"), ["karimav", "01a123", "rustam"]);
    assert!(finds("Ali 25", "25 yoshda, Ali"));
    assert!(finds("heroin 12 kg", "Hayraton, geroin: 12 кг"));
}

#[test]
fn a_name_half_typed_is_found() {
    for query in ["Қў", "Qo‘q", "Кока", "kok", "Kokan"] {
        assert!(finds(query, "Qo‘qon"), "{}", explain(query, "Qo‘qon"));
    }
    assert!(finds("Vasili", "Васильев"));
    assert!(finds("Davlat", "Давлатшоҳ"));
}

#[test]
fn one_letter_less_is_still_a_name_of_its_own() {
    assert!(finds("Rustam", "Рустамов"));
    assert!(!finds("Рустамов", "Rustam"));
}

#[test]
fn a_query_without_words_has_no_terms() {
    for text in ["", "  ", "— … «»", "'’ʻ", "\u{301}"] {
        assert_eq!(query_terms(text), Vec::<String>::new(), "{text:?}");
        assert_eq!(index_terms(text), "", "{text:?}");
        assert_eq!(fold(text), "", "{text:?}");
    }
}

#[test]
fn a_pasted_page_asks_for_its_first_words() {
    let page: String = (0..1000u32).map(|n| format!("so‘z{n}, ")).collect();
    assert_eq!(query_terms(&page).len(), QUERY_TERMS_MAX);
}

#[test]
fn eastern_digits_and_wide_letters_are_plain_ones() {
    assert_eq!(fold("۱۲۳ ٤٥٦ ＡＢ１"), "123 456 ab1");
}

#[test]
fn words_that_once_folded_twice_differently_do_not_any_more() {
    for word in ["tcі", "Цц"] {
        assert_eq!(fold(&fold(word)), fold(word), "{word}");
    }
}

/// Words of the alphabets that the rules are about, likelier to hit them than any Unicode.
fn word() -> impl Strategy<Value = String> {
    proptest::string::string_regex("[a-zA-Zа-яА-ЯёўқғҳӯҷөүұңәіõöğşçO'‘ʻ’`xcshtkdzjieyo0-9 .+()\u{300}-\u{328}-]{0,24}")
        .expect("the pattern is valid")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn folding_a_skeleton_changes_nothing(text in word()) {
        let once = fold(&text);
        prop_assert_eq!(fold(&once), once);
    }

    #[test]
    fn folding_any_text_twice_changes_nothing(text in any::<String>()) {
        let once = fold(&text);
        prop_assert_eq!(fold(&once), once);
    }

    #[test]
    fn a_skeleton_of_our_alphabets_is_plain_ascii(text in "[a-zA-Zа-яА-ЯўқғҳЎҚҒҲõöğşç‘' ]{0,40}") {
        prop_assert!(fold(&text).bytes().all(|b| b.is_ascii_lowercase() || b == b' '));
    }

    #[test]
    fn no_text_breaks_the_index_or_the_query(text in any::<String>()) {
        let index = index_terms(&text);
        prop_assert!(!index.starts_with(' ') && !index.ends_with(' ') && !index.contains("  "));
        prop_assert!(query_terms(&text).iter().all(|term| !term.is_empty() && !term.contains([' ', '"'])));
    }

    #[test]
    fn what_is_stored_is_found_by_its_own_text(text in word()) {
        if !query_terms(&text).is_empty() {
            prop_assert!(finds(&text, &text), "{}", explain(&text, &text));
        }
    }

    #[test]
    fn case_makes_no_difference(text in "[a-zа-яўқғҳ‘' ]{0,40}") {
        prop_assert_eq!(fold(&text.to_uppercase()), fold(&text));
    }
}
