//! Stamps and calendar times. Never reads a clock: the time comes in as milliseconds of UTC.

/// Another device's clock moves ours forward by at most this.
pub const STAMP_FOREIGN_AHEAD_MAX_MS: u64 = 5 * 60 * 1000;
/// The latest time that can be written down: the year 9999.
pub const TIME_MAX_MS: u64 = 253_402_300_799_999;

/// A hybrid logical time: milliseconds of UTC by the device's clock, and a count within the millisecond.
/// Rises on one device whatever its clock does. Orders the display only; merge never looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Stamp {
    /// Milliseconds of UTC since 1970.
    pub ms: u64,
    /// Count within the millisecond.
    pub count: u32,
}

impl Stamp {
    /// The next stamp after `last` when the clock says `now_ms`.
    pub fn next(last: Self, now_ms: u64) -> Self {
        let now_ms = now_ms.min(TIME_MAX_MS);
        if now_ms > last.ms {
            Self { ms: now_ms, count: 0 }
        } else if last.count < u32::MAX {
            Self { ms: last.ms, count: last.count + 1 }
        } else {
            Self { ms: last.ms + 1, count: 0 }
        }
    }

    /// Our clock after seeing another's stamp: never moved beyond `now_ms` plus five minutes.
    pub fn seen(self, foreign: Self, now_ms: u64) -> Self {
        if foreign.ms > now_ms.saturating_add(STAMP_FOREIGN_AHEAD_MAX_MS) { self } else { self.max(foreign) }
    }
}

impl Stamp {
    /// Whether this is later than `now_ms` by more than any clock may be.
    pub fn is_ahead_of(self, now_ms: u64) -> bool {
        self.ms > now_ms.saturating_add(STAMP_FOREIGN_AHEAD_MAX_MS)
    }

    /// Where stamps go on from: at nothing again where headquarters' time shows that this one, given or seen while a clock was wrong, is ahead
    /// of it and of the device's clock. `hq_now_ms`: headquarters' time, where it was compared lately.
    pub fn unless_ahead(self, now_ms: u64, hq_now_ms: Option<u64>) -> Self {
        let ahead = hq_now_ms.is_some_and(|hq| self.is_ahead_of(hq.max(now_ms)));
        if ahead { Self::default() } else { self }
    }
}

/// How well a device knew the time when it wrote a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ClockReading {
    /// Headquarters' time minus the device's, in milliseconds, by the last receipt; zero where none is known.
    pub offset_ms: i64,
    /// How good that is.
    pub quality: ClockQuality,
}

impl ClockReading {
    /// Whether the device's clock was known to be wrong by more than five minutes.
    pub fn is_off(self) -> bool {
        self.quality != ClockQuality::Unknown && self.offset_ms.unsigned_abs() > STAMP_FOREIGN_AHEAD_MAX_MS
    }

    /// Headquarters' time when the device's clock says `now_ms`, where the two were compared lately.
    pub fn hq_time_ms(self, now_ms: u64) -> Option<u64> {
        (self.quality == ClockQuality::Recent).then(|| now_ms.saturating_add_signed(self.offset_ms))
    }
}

/// The quality of a clock reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum ClockQuality {
    /// Never compared with headquarters.
    #[default]
    Unknown,
    /// Compared with headquarters' time within the last day of the device's running time.
    Recent,
    /// Compared longer ago, or the clock was set since.
    Stale,
}

impl ClockQuality {
    /// The number on the wire.
    pub fn number(self) -> u32 {
        match self {
            Self::Unknown => 0,
            Self::Recent => 1,
            Self::Stale => 2,
        }
    }

    /// Its name for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Recent => "recent",
            Self::Stale => "stale",
        }
    }

    /// The quality with this number, if this version knows it.
    pub fn from_number(n: u32) -> Option<Self> {
        [Self::Unknown, Self::Recent, Self::Stale].into_iter().find(|q| q.number() == n)
    }
}

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar (Howard Hinnant's algorithm).
fn days_from_civil(y: i64, m: i64, d: i64) -> i64 {
    let y = if m <= 2 { y - 1 } else { y };
    let era = y.div_euclid(400);
    let yoe = y - era * 400;
    let doy = (153 * (m + if m > 2 { -3 } else { 9 }) + 2) / 5 + d - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    era * 146_097 + doe - 719_468
}

fn civil_from_days(z: i64) -> (i64, i64, i64) {
    let z = z + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let m = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(m <= 2), m, doy - (153 * mp + 2) / 5 + 1)
}

fn days_in_month(y: i64, m: i64) -> i64 {
    match m {
        4 | 6 | 9 | 11 => 30,
        2 if y % 4 == 0 && (y % 100 != 0 || y % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Reads digits only: no sign, no space.
fn digits(s: &str) -> Option<i64> {
    (!s.is_empty() && s.bytes().all(|b| b.is_ascii_digit())).then(|| s.parse().ok())?
}

/// Reads an RFC 3339 time (`2026-11-24T08:00:00Z`, `…+05:00`, up to three decimals) as milliseconds of UTC.
pub fn parse_time(s: &str) -> Option<i64> {
    let (date, rest) = s.split_at_checked(10)?;
    let day = parse_date(date)?;
    let (y, m, d) = (day / 10_000, day / 100 % 100, day % 100);
    if m == 0 || d == 0 {
        return None;
    }
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (clock, zone) = rest.split_at(rest.find(['Z', 'z', '+', '-'])?);
    let offset_min = match zone {
        "Z" | "z" => 0,
        _ => {
            let (h, mi) = zone[1..].split_once(':')?;
            let (h, mi) = (digits(h)?, digits(mi)?);
            if h > 14 || mi > 59 {
                return None;
            }
            (h * 60 + mi) * if zone.starts_with('-') { -1 } else { 1 }
        }
    };
    let (hms, frac) = clock.split_once('.').unwrap_or((clock, "0"));
    let ms = digits(frac)?;
    let ms = match frac.len() {
        1 => ms * 100,
        2 => ms * 10,
        3 => ms,
        _ => return None,
    };
    let mut parts = hms.split(':');
    let (h, mi, sec) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || [h, mi, sec].iter().any(|p| p.len() != 2) {
        return None;
    }
    let (h, mi, sec) = (digits(h)?, digits(mi)?, digits(sec)?);
    if h > 23 || mi > 59 || sec > 59 {
        return None;
    }
    Some(((days_from_civil(y, m, d) * 24 + h) * 60 + mi - offset_min) * 60_000 + sec * 1000 + ms)
}

/// Writes milliseconds of UTC as RFC 3339, with decimals only where there are any.
pub fn format_time(ms: i64) -> String {
    let (y, m, d) = civil_from_days(ms.div_euclid(86_400_000));
    let t = ms.rem_euclid(86_400_000);
    let (h, mi, s, f) = (t / 3_600_000, t / 60_000 % 60, t / 1000 % 60, t % 1000);
    if f == 0 {
        format!("{y:04}-{m:02}-{d:02}T{h:02}:{mi:02}:{s:02}Z")
    } else {
        format!("{y:04}-{m:02}-{d:02}T{h:02}:{mi:02}:{s:02}.{f:03}Z")
    }
}

/// Reads `yyyy-mm-dd`, `yyyy-mm` or `yyyy` as the number yyyymmdd, zeros for what is not known.
pub fn parse_date(s: &str) -> Option<i64> {
    let mut parts = s.split('-');
    let y = parts.next().filter(|p| p.len() == 4).and_then(digits)?;
    let m = match parts.next() {
        Some(p) => Some(p).filter(|p| p.len() == 2).and_then(digits).filter(|m| (1..=12).contains(m))?,
        None => return (y > 0).then_some(y * 10_000),
    };
    let d = match parts.next() {
        Some(p) => Some(p).filter(|p| p.len() == 2).and_then(digits).filter(|d| (1..=days_in_month(y, m)).contains(d))?,
        None => 0,
    };
    (parts.next().is_none() && y > 0).then_some(y * 10_000 + m * 100 + d)
}

/// Writes yyyymmdd as `parse_date` reads it.
pub fn format_date(n: i64) -> String {
    match (n / 10_000, n / 100 % 100, n % 100) {
        (y, 0, _) => format!("{y:04}"),
        (y, m, 0) => format!("{y:04}-{m:02}"),
        (y, m, d) => format!("{y:04}-{m:02}-{d:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_set_backwards_does_not_reorder_stamps() {
        let a = Stamp::next(Stamp::default(), 1000);
        let b = Stamp::next(a, 10);
        assert!(b > a, "a stamp must rise although the clock fell");
    }

    #[test]
    fn a_foreign_clock_moves_ours_by_at_most_five_minutes() {
        let ours = Stamp { ms: 1000, count: 0 };
        let near = Stamp { ms: 200_000, count: 3 };
        assert_eq!(ours.seen(near, 1000), near);
        assert_eq!(ours.seen(Stamp { ms: 4_070_908_800_000, count: 0 }, 1000), ours);
    }

    #[test]
    fn a_stamp_that_headquarters_time_shows_to_be_ahead_starts_again_and_no_other() {
        let (late, now) = (Stamp { ms: 4_070_908_800_000, count: 7 }, 1_790_000_000_000);
        assert_eq!(late.unless_ahead(now, Some(now)), Stamp::default());
        assert_eq!(late.unless_ahead(now, None), late, "a clock stepped back that nobody compared keeps stamps rising");
        assert_eq!(late.unless_ahead(late.ms, Some(now)), late, "while the clock is still wrong, stamps rise with it");
        let near = Stamp { ms: now + STAMP_FOREIGN_AHEAD_MAX_MS, count: 0 };
        assert_eq!(near.unless_ahead(now, Some(now)), near);
        let off = |offset_ms, quality| ClockReading { offset_ms, quality }.is_off();
        assert!(off(-301_000, ClockQuality::Recent) && off(301_000, ClockQuality::Stale));
        assert!(!off(299_000, ClockQuality::Recent) && !off(0, ClockQuality::Unknown));
    }

    #[test]
    fn times_and_dates_come_back_as_they_were_written() {
        for t in ["2026-09-11T13:21:26Z", "1969-12-31T23:59:59.120Z", "2000-02-29T00:00:00Z"] {
            assert_eq!(parse_time(t).map(format_time).as_deref(), Some(t));
        }
        assert_eq!(parse_time("2026-11-24T05:00:00+05:00").map(format_time).as_deref(), Some("2026-11-24T00:00:00Z"));
        for t in ["", "2026-02-30T00:00:00Z", "2026-01-01", "2026-01-01T24:00:00Z", "2026-01-01T00:00:00", "ў026-01-01T00:00:00Z"] {
            assert_eq!(parse_time(t), None, "{t} is no time");
        }
        for d in ["1987", "1987-05", "1987-05-31"] {
            assert_eq!(parse_date(d).map(format_date).as_deref(), Some(d));
        }
        for d in ["", "87", "1987-13", "1987-02-29", "1987-5-1", "1987-05-01-01"] {
            assert_eq!(parse_date(d), None, "{d} is no date");
        }
    }
}
