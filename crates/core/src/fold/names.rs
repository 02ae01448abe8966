//! Names whose spellings no rule brings together: towns, given names, substances. Never a gazetteer: only what is spelt
//! in more than one way, and the region's main towns, which take endings in a sentence.

use super::fold;
use std::collections::HashMap;
use std::sync::LazyLock;

/// The most words of a name in the table: Mazar-i-Sharif.
pub(super) const WORDS_MAX: usize = 3;

/// Endings that a town's name takes in a sentence, as skeletons.
const CASES: [&str; 21] = [
    "a", "e", "i", "u", "am", "em", "ai", "da", "dan", "ga", "ni", "ning", "dagi", "lik", "ro", "ski", "skaia", "skai", "skaga", "skam",
    "skuiu",
];

/// Endings that make another name of a name, as skeletons.
const DERIVED: [&str; 14] = ["av", "ava", "ev", "eva", "avich", "avna", "evich", "evna", "jan", "bek", "han", "zada", "bai", "i"];

/// A name shorter than this takes no ending here: `Osh` would be in every `Ashurov`.
const STEM_CHARS_MIN: usize = 4;

/// One row for each name: its spellings and its former names. Spellings that the rules bring together count once.
#[rustfmt::skip]
const ROWS: &[&[&str]] = &[
    // Uzbekistan
    &["O‘zbekiston", "Uzbekistan", "Usbekistan"],
    &["Qoraqalpog‘iston", "Karakalpakstan", "Qaraqalpaqstan", "Karakalpakiya"],
    &["Toshkent", "Tashkent", "Taschkent"],
    &["Samarqand", "Samarcand"],
    &["Termiz", "Termez"],
    &["Buxoro", "Bukhara", "Bokhara", "Buhara"],
    &["Qo‘qon", "Kokand", "Qoqand", "Khokand", "Kukand"],
    &["Farg‘ona", "Fergana", "Ferghana", "Farghona"],
    &["Andijon", "Andizhan", "Andijan"],
    &["Marg‘ilon", "Margelan", "Margilan"],
    &["Xiva", "Khiva", "Chiwa"],
    &["Urganch", "Urgench", "Urgenç"],
    &["Xorazm", "Khorezm", "Xorezm", "Khwarezm", "Khwarazm"],
    &["Nukus", "Nókis", "Nokis"],
    &["Qarshi", "Karshi", "Qarsi"],
    &["Qashqadaryo", "Kashkadarya", "Kashkadaria"],
    &["Surxondaryo", "Surkhandarya", "Surxandarya"],
    &["Sirdaryo", "Syrdarya", "Syr Darya"],
    &["Amudaryo", "Amu Darya", "Amu-Darya"],
    &["Jizzax", "Dzhizak", "Djizak", "Jizzakh", "Zhizak"],
    &["Guliston", "Gulistan"],
    &["Navoiy", "Navoi", "Navoyi"],
    &["Denov", "Denau", "Denow"],
    &["Sherobod", "Sherabad", "Shirabad"],
    &["Bekobod", "Bekabad", "Begovat"],
    &["Shahrisabz", "Shakhrisabz", "Shahrisyabz", "Шахрисябз"],
    &["Chirchiq", "Chirchik"],
    &["Olmaliq", "Almalyk", "Almalik"],
    &["Angren"],
    &["Ohangaron", "Axangaran"],
    &["Yangiyo‘l", "Yangiyul", "Янгиюль"],
    &["Shahrixon", "Shakhrikhan"],
    &["Oybek", "Aibek"],
    &["Gʻishtko‘prik", "Gisht-Kuprik", "Гишткуприк"],
    &["Do‘stlik", "Dustlik", "Dostlik", "Dostyk", "Достук"],
    &["Sariosiyo", "Sariasiya", "Сариасия", "Saryassia"],
    // The neighbours
    &["Tojikiston", "Tajikistan", "Tadjikistan", "Тожикистон"],
    &["Qirg‘iziston", "Kyrgyzstan", "Kirgizstan", "Киргизия", "Kirghizistan"],
    &["Qozog‘iston", "Kazakhstan", "Qazaqstan", "Kazakstan", "Казахстан"],
    &["Turkmaniston", "Turkmenistan", "Türkmenistan"],
    &["Afg‘oniston", "Afghanistan", "Avg‘oniston"],
    &["Rossiya", "Russia", "Россия"],
    &["Eron", "Iran", "Иран"],
    &["Xo‘jand", "Khujand", "Khodjent", "Khodzhent", "Ходжент", "Xo‘jant"],
    &["Dushanbe", "Dyushambe", "Dushambe"],
    &["Panjakent", "Penjikent", "Panjikent", "Пенджикент"],
    &["Istaravshan", "Ura-Tyube", "O‘ratepa"],
    &["Tursunzoda", "Tursunzade", "Турсунзаде", "Regar"],
    &["Kulob", "Kulyab", "Куляб", "Kulab"],
    &["Bo‘xtar", "Bokhtar", "Kurgan-Tyube", "Qurghonteppa", "Курган-Тюбе"],
    &["Xorug‘", "Khorog", "Khorugh"],
    &["O‘sh", "Osh"],
    &["Jalolobod", "Jalal-Abad", "Джалал-Абад", "Jalalabad"],
    &["Bishkek", "Pishpek", "Frunze"],
    &["Shymkent", "Chimkent", "Chimqand"],
    &["Saryag‘ash", "Sariog‘och", "Saryagash", "Saryagach"],
    &["Almaty", "Olmaota", "Alma-Ata", "Алма-Ата"],
    &["Turkiston", "Turkestan", "Türkistan"],
    &["Turkmanobod", "Turkmenabat", "Türkmenabat", "Chardzhou", "Chorjo‘y"],
    &["Ashxobod", "Ashgabat", "Ashkhabad", "Aşgabat"],
    &["Mazori-Sharif", "Mazar-i-Sharif", "Mazar-e-Sharif", "Mazar Sharif", "Mazori Sharif"],
    &["Hayraton", "Hairatan", "Khairaton", "Hayratan"],
    &["Qunduz", "Kunduz", "Kondoz"],
    &["Kobul", "Kabul"],
    &["Hirot", "Herat", "Herot", "Герат"],
    &["Qandahor", "Kandahar", "Qandahar"],
    &["Badaxshon", "Badakhshan", "Badahshan"],
    // Given names
    &["Muhammad", "Mohammad", "Muhammed", "Mohammed", "Mukhamed", "Mohamed", "Mohamad", "Magomed", "Muxammad", "Maxammad"],
    &["Ahmad", "Ahmed", "Akhmet", "Ahmet"],
    &["Mahmud", "Makhmut", "Mehmud"],
    &["Aleksandr", "Alexander", "Aleksander", "Alexandr"],
    &["Ilyos", "Ilyas", "Ильяс", "Elyas"],
    &["Said", "Sayed", "Saeed", "Seyid", "Seid"],
    &["Husayn", "Hossein", "Hussein", "Husein", "Хусейн", "Гусейн", "Khusein"],
    &["Hasan", "Гасан"],
    &["Husan"],
    &["Jamshid", "Jamshed", "Dzhamshed"],
    &["Xurshid", "Khurshed", "Xurshed"],
    &["Farhod", "Farkhod", "Ferhat", "Farkhad"],
    &["Murod", "Murad", "Murat"],
    &["Bahodir", "Bakhodir", "Bahadur", "Bakhadyr"],
    &["Botir", "Batyr", "Batur"],
    &["Ibrohim", "Ibragim", "Ibrahim", "Ebrahim"],
    &["Ismoil", "Ismail", "Ismoyil", "Esmail"],
    &["Yoqub", "Yakub", "Yaqoob", "Yakup"],
    &["Yusuf", "Yousef", "Yosuf", "Yosef"],
    &["Sherali", "Shirali"],
    &["Sherzod", "Shirzad", "Shirzod"],
    &["Zokir", "Zakir", "Zaker"],
    &["Jalol", "Jalal", "Djalal", "Jelal"],
    &["Mustafo", "Mustafa", "Mostafa"],
    &["Habibulloh", "Khabibullo", "Habibollah"],
    &["Asadulloh", "Assadullah", "Asadollah"],
    &["Lyudmila", "Ludmila", "Людмила"],
    &["Dilshod", "Dilshad", "Dilshat"],
    &["Fotima", "Fatima", "Fatemeh", "Fatma"],
    &["Ayisha", "Oysha", "Aisha", "Aysha", "Ayesha"],
    &["Navro‘z", "Nowruz", "Nauryz", "Nooruz", "Noruz"],
    // Substances and goods
    &["heroin", "geroin", "героин"],
    &["hashish", "gashish", "гашиш"],
    &["marihuana", "marijuana", "marixuana", "марихуана"],
    &["opium", "opiy", "опий", "опиум"],
    &["metadon", "methadone", "метадон"],
    &["metamfetamin", "methamphetamine", "метамфетамин"],
    &["ekstazi", "ecstasy", "экстази"],
    &["kokain", "cocaine", "кокаин"],
    &["mefedron", "mephedrone", "мефедрон"],
    &["tramadol", "tramadole"],
    &["amfetamin", "amphetamine"],
    &["Chevrolet", "Shevrole", "Шевроле"],
    &["Hyundai", "Хендай", "Хундай", "Xyundai"],
    &["Lacetti", "Lasetti", "Ласетти", "Лачетти"],
    &["Gentra", "Jentra", "Жентра", "Джентра"],
    &["Volkswagen", "Фольксваген", "Folksvagen"],
];

struct Table {
    /// The skeletons of each row, each once.
    rows: Vec<Vec<String>>,
    row_of: HashMap<String, usize>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table { rows: Vec::with_capacity(ROWS.len()), row_of: HashMap::new() };
    for (row, spellings) in ROWS.iter().enumerate() {
        let mut skeletons: Vec<String> = spellings.iter().map(|spelling| fold(spelling).replace(' ', "")).collect();
        skeletons.sort_unstable();
        skeletons.dedup();
        skeletons.iter().for_each(|skeleton| {
            table.row_of.insert(skeleton.clone(), row);
        });
        table.rows.push(skeletons);
    }
    table
});

/// Whether the table has this skeleton, its words joined.
pub(super) fn knows(joined: &str) -> bool {
    TABLE.row_of.contains_key(joined)
}

/// Calls `emit` with every spelling of the name that `skeleton` is, or that it is an inflection or a derivative of.
pub(super) fn spellings(skeleton: &str, mut emit: impl FnMut(&str)) {
    if let Some(row) = row(skeleton) {
        row.iter().for_each(|spelling| emit(spelling));
    }
    if let Some((row, _)) = inflected(skeleton) {
        row.iter().for_each(|spelling| emit(spelling));
    }
    for ending in DERIVED {
        if let Some(row) = skeleton.strip_suffix(ending).filter(|stem| stem.len() >= STEM_CHARS_MIN).and_then(row) {
            row.iter().for_each(|spelling| emit(&format!("{spelling}{ending}")));
        }
    }
}

/// The name that `skeleton` is an inflection of: `Toshkentda`, `Ташкентской`.
pub(super) fn without_case(skeleton: &str) -> Option<String> {
    if knows(skeleton) { None } else { inflected(skeleton).map(|(_, name)| name) }
}

/// Whether both are names of their own: `Hasan` is not a reading of `Husan`.
pub(super) fn are_two(one: &str, other: &str) -> bool {
    matches!((TABLE.row_of.get(one), TABLE.row_of.get(other)), (Some(one), Some(other)) if one != other)
}

fn row(skeleton: &str) -> Option<&'static Vec<String>> {
    TABLE.row_of.get(skeleton).and_then(|&row| TABLE.rows.get(row))
}

fn inflected(skeleton: &str) -> Option<(&'static Vec<String>, String)> {
    CASES.iter().filter_map(|ending| skeleton.strip_suffix(ending)).filter(|stem| stem.len() >= STEM_CHARS_MIN).find_map(|stem| {
        let feminine = format!("{stem}a");
        [stem, feminine.as_str()].into_iter().find_map(|name| row(name).map(|row| (row, name.to_owned())))
    })
}

#[cfg(test)]
mod tests {
    use super::super::{index_terms, query_terms};
    use super::*;

    #[test]
    fn no_spelling_is_two_names() {
        for (row, spellings) in TABLE.rows.iter().enumerate() {
            for spelling in spellings {
                assert_eq!(TABLE.row_of.get(spelling), Some(&row), "{spelling} is also in a later row");
            }
        }
    }

    #[test]
    fn every_spelling_of_a_row_finds_every_other() {
        for row in ROWS {
            for (query, stored) in row.iter().flat_map(|one| row.iter().map(move |other| (one, other))) {
                let index = index_terms(stored);
                for term in query_terms(query) {
                    assert!(index.split(' ').any(|word| word.starts_with(&term)), "{query} ({term}) in {stored} ({index})");
                }
            }
        }
    }
}
