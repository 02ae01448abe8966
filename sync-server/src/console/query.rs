//! The part of an address behind `?`, read apart. Never knows what is asked.

use super::error::ConsoleError;

/// At most so many pairs.
const PAIRS_MAX: usize = 16;

/// Names and values, decoded.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads `a=b&c=d`.
    pub(super) fn read(raw: Option<&str>) -> Result<Self, ConsoleError> {
        let raw = raw.unwrap_or_default();
        let mut pairs = Vec::new();
        for pair in raw.split('&').filter(|p| !p.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            pairs.push((decoded(name)?, decoded(value)?));
        }
        if pairs.len() > PAIRS_MAX { Err(ConsoleError::BadRequest) } else { Ok(Self(pairs)) }
    }

    /// In the order in which they came.
    pub(super) fn pairs(&self) -> impl Iterator<Item = &(String, String)> {
        self.0.iter()
    }
}

/// Turns `%D0%AE+x` into `Ю x`.
fn decoded(text: &str) -> Result<String, ConsoleError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let mut digit = || rest.next().and_then(|b| char::from(b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
                let (high, low) = (digit(), digit());
                bytes.push(high.zip(low).map(|(h, l)| h << 4 | l).ok_or(ConsoleError::BadRequest)?);
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).map_err(|_| ConsoleError::BadRequest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_decoded_and_a_broken_one_refused() {
        let query = Query::read(Some("q=%D0%AE%D1%81+1%2B1&kind=&team")).expect("a query");
        let pairs: Vec<(&str, &str)> = query.pairs().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(pairs, [("q", "Юс 1+1"), ("kind", ""), ("team", "")]);
        for bad in ["q=%", "q=%zz", "q=%ff"] {
            assert!(Query::read(Some(bad)).is_err(), "{bad} was read");
        }
    }
}
