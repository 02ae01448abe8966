//! Counts tests from the closing lines of each runner. Never decides whether a stage passed: that is its exit status.

/// Tests that passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub passed: u32,
    pub failed: u32,
}

impl Tally {
    pub fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// Who wrote the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runner {
    /// `test result: ok. 3 passed; 0 failed; …`
    Cargo,
    /// `Summary [ 0.1s] 3 tests run: 2 passed (1 slow), 1 failed, 0 skipped`
    Nextest,
    /// `Tests  1 failed | 11 passed (12)`
    Vitest,
    /// Our own scripts: `3 passed, 0 failed`, alone on its line
    Script,
}

/// The tests that a runner's lines tell of.
pub fn count(runner: Runner, lines: &[String]) -> Tally {
    let mut tally = Tally::default();
    for line in lines {
        let line = plain(line);
        if let Some(found) = one(runner, line.trim()) {
            tally.add(found);
        }
    }
    tally
}

fn one(runner: Runner, line: &str) -> Option<Tally> {
    let text = match runner {
        Runner::Cargo => line.strip_prefix("test result:")?,
        Runner::Nextest => line.strip_prefix("Summary [")?.split_once("run:")?.1,
        Runner::Vitest => line.strip_prefix("Tests ")?,
        Runner::Script => {
            let mut parts = line.split(", ");
            let is_whole = matches!((parts.next(), parts.next(), parts.next()), (Some(a), Some(b), None)
                if a.ends_with(" passed") && b.ends_with(" failed"));
            if !is_whole {
                return None;
            }
            line
        }
    };
    let mut tally = Tally::default();
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    for pair in words.windows(2) {
        let Ok(number) = pair[0].parse::<u32>() else {
            continue;
        };
        match pair[1] {
            "passed" => tally.passed += number,
            "failed" | "timed" | "exec" => tally.failed += number,
            _ => {}
        }
    }
    Some(tally)
}

/// The line without colours.
fn plain(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        if letter != '\u{1b}' {
            text.push(letter);
            continue;
        }
        for letter in letters.by_ref() {
            if letter.is_ascii_alphabetic() {
                break;
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(runner: Runner, text: &str) -> (u32, u32) {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let tally = count(runner, &lines);
        (tally.passed, tally.failed)
    }

    #[test]
    fn cargo_test_adds_up_its_binaries() {
        let text = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.0s\n\
                    test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(counted(Runner::Cargo, text), (5, 1));
    }

    #[test]
    fn nextest_counts_its_summary_and_not_the_output_of_a_failing_test() {
        let text = "    test result: FAILED. 0 passed; 1 failed; 0 ignored\n\
                    \u{1b}[32m     Summary\u{1b}[0m [   0.012s] 12 tests run: 9 passed (1 slow), 1 failed, 1 timed out, 1 exec failed, 4 skipped";
        assert_eq!(counted(Runner::Nextest, text), (9, 3));
        assert_eq!(counted(Runner::Nextest, "Summary [ 1s] 3/20 tests run: 2 passed, 1 failed, 0 skipped"), (2, 1));
    }

    #[test]
    fn vitest_counts_tests_and_not_files() {
        let text = " Test Files  2 passed (2)\n      Tests  1 failed | 11 passed | 2 skipped (14)\n";
        assert_eq!(counted(Runner::Vitest, text), (11, 1));
    }

    #[test]
    fn a_script_counts_only_by_its_plain_line() {
        assert_eq!(counted(Runner::Script, "window\n7 passed, 2 failed\n"), (7, 2));
        assert_eq!(counted(Runner::Script, "step 3 passed, all well, 1 failed before\n"), (0, 0));
    }
}
