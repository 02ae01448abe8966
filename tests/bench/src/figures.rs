//! The figures as they are collected, each judged by its bars. Measures nothing.

use serde_json::{Value, json};

/// What a figure should come to.
#[derive(Debug, Clone, PartialEq)]
pub enum Bar {
    /// At most this, in the figure's unit.
    AtMost(f64),
    /// At most so many times what the named peer came to in this run.
    Ratio(&'static str, f64),
    /// The best peer of this run comes to at least so many times this.
    BestPeer(f64),
    /// The same as `Ratio`, but a goal beyond what is asked.
    Goal(&'static str, f64),
}

impl Bar {
    /// The number in it: of the row's unit, or of times.
    pub fn number(&self) -> f64 {
        match self {
            Self::AtMost(number) | Self::Ratio(_, number) | Self::Goal(_, number) | Self::BestPeer(number) => *number,
        }
    }

    /// Whether it is more than what is asked.
    pub fn is_goal(&self) -> bool {
        match self {
            Self::Goal(..) => true,
            Self::AtMost(_) | Self::Ratio(..) | Self::BestPeer(_) => false,
        }
    }
}

/// Another program's figure in the same run.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its name.
    pub name: &'static str,
    /// In the row's unit.
    pub value: f64,
}

/// One figure.
#[derive(Debug, Clone)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// The median.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// Of how many runs it is the median.
    pub runs: usize,
    /// The same of others.
    pub peers: Vec<Peer>,
    /// What it should come to.
    pub bars: Vec<Bar>,
}

impl Row {
    /// The median of these measurements.
    pub fn of(name: impl Into<String>, values: &[f64], unit: &'static str) -> Self {
        Self { name: name.into(), value: median(values), unit, runs: values.len(), peers: Vec::new(), bars: Vec::new() }
    }

    /// A figure that was measured once.
    pub fn one(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self::of(name, &[value], unit)
    }

    /// Beside a peer's, where there is one.
    pub fn beside(mut self, name: &'static str, value: impl Into<Option<f64>>) -> Self {
        self.peers.extend(value.into().map(|value| Peer { name, value }));
        self
    }

    /// With a bar.
    pub fn bar(mut self, bar: Bar) -> Self {
        self.bars.push(bar);
        self
    }

    /// With bars that hold only for the standard corpus.
    pub fn bars_if(mut self, is_standard: bool, bars: &[Bar]) -> Self {
        if is_standard {
            self.bars.extend_from_slice(bars);
        }
        self
    }

    fn peer(&self, name: &str) -> Option<f64> {
        self.peers.iter().find(|p| p.name == name).map(|p| p.value)
    }

    /// The peer that comes to the least.
    pub fn best_peer(&self) -> Option<&Peer> {
        self.peers.iter().min_by(|a, b| a.value.total_cmp(&b.value))
    }

    /// Whether a bar is met; nothing when its peer was not measured.
    pub fn is_met(&self, bar: &Bar) -> Option<bool> {
        match bar {
            Bar::AtMost(most) => Some(self.value <= *most),
            Bar::Ratio(name, most) | Bar::Goal(name, most) => self.peer(name).map(|peer| self.value <= peer * most),
            Bar::BestPeer(times) => self.best_peer().map(|peer| peer.value >= self.value * times),
        }
    }

    /// For machines.
    pub fn json(&self) -> Value {
        let peer = |p: &Peer| json!({"name": p.name, "value": p.value, "ratio": self.value / p.value});
        let bars: Vec<Value> = self.bars.iter().map(|b| json!({"bar": self.say_bar(b), "met": self.is_met(b)})).collect();
        let bar = self.bars.first().map(Bar::number);
        json!({"figure": self.name, "value": self.value, "unit": self.unit, "runs": self.runs,
            "peer": self.best_peer().map(peer), "peers": self.peers.iter().map(peer).collect::<Vec<_>>(), "bar": bar, "bars": bars})
    }

    /// A bar in words.
    pub fn say_bar(&self, bar: &Bar) -> String {
        match bar {
            Bar::AtMost(most) => format!("≤ {most} {}", self.unit).trim_end().to_owned(),
            Bar::Ratio(name, most) => format!("≤ {most} × {name}"),
            Bar::Goal(name, most) => format!("goal ≤ {most} × {name}"),
            Bar::BestPeer(times) => format!("≤ 1/{times} of the best peer"),
        }
    }
}

/// The outcome of something that is no number.
pub struct Outcome {
    /// What was tried.
    pub name: &'static str,
    /// Whose it is.
    pub who: &'static str,
    /// For machines.
    pub code: String,
    /// For people.
    pub says: String,
}

/// What was measured.
#[derive(Default)]
pub struct Figures {
    /// Numbers.
    pub rows: Vec<Row>,
    /// What is no number.
    pub outcomes: Vec<Outcome>,
    /// Peers that could not be measured, and why.
    pub absent: Vec<(String, String)>,
}

impl Figures {
    /// Takes a figure in, and says it at once on standard error: the run is long.
    pub fn add(&mut self, row: Row) {
        eprintln!("   {}: {:.3} {}", row.name, row.value, row.unit);
        self.rows.push(row);
    }

    /// Takes in a peer's answer, or why there is none.
    pub fn heard<T>(&mut self, what: &str, answer: Result<T, String>) -> Option<T> {
        answer.map_err(|why| self.absent.push((what.to_owned(), why))).ok()
    }
}

/// The middle of a list of measurements.
pub fn median(values: &[f64]) -> f64 {
    percentile(values, 50)
}

/// The value below which so many of a hundred lie.
pub fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get((values.len() * percent / 100).min(values.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bar_is_judged_by_its_own_peer_and_not_at_all_without_one() {
        let row = Row::of("push", &[2.0, 1.0, 9.0], "s").beside("A", 8.0).beside("B", 5.0).beside("C", None);
        assert_eq!((row.value, row.runs, row.peers.len()), (2.0, 3, 2));
        for (bar, met) in [
            (Bar::AtMost(2.0), Some(true)),
            (Bar::AtMost(1.9), Some(false)),
            (Bar::Ratio("A", 0.25), Some(true)),
            (Bar::Ratio("B", 0.25), Some(false)),
            (Bar::Goal("C", 1.0), None),
            (Bar::BestPeer(2.5), Some(true)),
            (Bar::BestPeer(3.0), Some(false)),
        ] {
            assert_eq!(row.is_met(&bar), met, "{bar:?}");
        }
        assert_eq!(Row::one("push", 2.0, "s").is_met(&Bar::BestPeer(1.0)), None, "no peer, no judgement");
    }

    #[test]
    fn a_figure_that_was_not_measured_meets_no_bar() {
        assert_eq!(Row::of("push", &[], "s").is_met(&Bar::AtMost(1.0)), Some(false));
    }
}
