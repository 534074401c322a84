//! The text form of a [`Rule`], for programs that are told their faults in lines.
//!
//! ```text
//! OPERATION|* [key=PREFIX] [nth=N|first=N] FAULT
//!
//! FAULT: answer before|after STATUS CODE [RETRY_AFTER_SECONDS]
//!        lose before|after
//!        delay before|after MILLISECONDS
//!        hold before|after
//!        slow CHUNK_BYTES MILLISECONDS
//!        truncate BYTES
//!        corrupt AT
//!        slow-upload CHUNK_BYTES MILLISECONDS
//!        cut-upload BYTES
//! ```

use std::str::{FromStr, SplitWhitespace};
use std::time::Duration;

use crate::fault::{Rule, S3Fault, StrikePoint};
use crate::operation::Operation;

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut words = Words(text.split_whitespace());
        let operation = match words.next("an operation")? {
            "*" => None,
            name => Some(name.parse::<Operation>()?),
        };
        let mut rule = Self { operation, ..Self::any(S3Fault::LoseAnswer(StrikePoint::Before)) };
        let mut word = words.next("a fault")?;
        while let Some((name, value)) = word.split_once('=') {
            rule = match name {
                "key" => rule.key(value),
                "nth" => rule.nth(number(value)?),
                "first" => rule.first(number(value)?),
                _ => return Err(format!("no such restriction: {word}")),
            };
            word = words.next("a fault")?;
        }
        rule.fault = fault(word, &mut words)?;
        match words.0.next() {
            Some(word) => Err(format!("superfluous: {word}")),
            None => Ok(rule),
        }
    }
}

fn fault(name: &str, words: &mut Words<'_>) -> Result<S3Fault, String> {
    Ok(match name {
        "answer" => S3Fault::Answer {
            point: words.point()?,
            status: words.number("a status")?,
            code: words.next("a code")?.into(),
            retry_after_seconds: words.0.next().map(number).transpose()?,
        },
        "lose" => S3Fault::LoseAnswer(words.point()?),
        "delay" => S3Fault::Delay { point: words.point()?, by: words.pause()? },
        "hold" => S3Fault::Hold(words.point()?),
        "slow" => S3Fault::SlowBody { chunk_bytes: words.number("bytes")?, pause: words.pause()? },
        "truncate" => S3Fault::TruncateBody { after_bytes: words.number("bytes")? },
        "corrupt" => S3Fault::CorruptBody { at: words.number("a place")? },
        "slow-upload" => {
            S3Fault::SlowUpload { chunk_bytes: words.number("bytes")?, pause: words.pause()? }
        }
        "cut-upload" => S3Fault::CutUpload { after_bytes: words.number("bytes")? },
        _ => return Err(format!("no such fault: {name}")),
    })
}

fn number<T: FromStr>(word: &str) -> Result<T, String> {
    word.parse().map_err(|_| format!("no number: {word}"))
}

struct Words<'a>(SplitWhitespace<'a>);

impl<'a> Words<'a> {
    fn next(&mut self, wanted: &str) -> Result<&'a str, String> {
        self.0.next().ok_or_else(|| format!("{wanted} is missing"))
    }

    fn number<T: FromStr>(&mut self, wanted: &str) -> Result<T, String> {
        number(self.next(wanted)?)
    }

    fn pause(&mut self) -> Result<Duration, String> {
        self.number("milliseconds").map(Duration::from_millis)
    }

    fn point(&mut self) -> Result<StrikePoint, String> {
        match self.next("before or after")? {
            "before" => Ok(StrikePoint::Before),
            "after" => Ok(StrikePoint::After),
            word => Err(format!("neither before nor after: {word}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_from_lines() {
        let second = Duration::from_secs(1);
        for (text, rule) in [
            ("* lose after", Rule::any(S3Fault::LoseAnswer(StrikePoint::After))),
            (
                "PutObject key=a/ nth=2 answer before 412 PreconditionFailed",
                Rule::new(Operation::PutObject, S3Fault::refuse(412, "PreconditionFailed"))
                    .key("a/")
                    .nth(2),
            ),
            ("* first=3 answer before 503 SlowDown 7", Rule::any(S3Fault::slow_down(7)).first(3)),
            (
                "* delay before 1000",
                Rule::any(S3Fault::Delay { point: StrikePoint::Before, by: second }),
            ),
            ("* hold after", Rule::any(S3Fault::Hold(StrikePoint::After))),
            ("* slow 5 1000", Rule::any(S3Fault::SlowBody { chunk_bytes: 5, pause: second })),
            ("* truncate 9", Rule::any(S3Fault::TruncateBody { after_bytes: 9 })),
            ("* corrupt 9", Rule::any(S3Fault::CorruptBody { at: 9 })),
            (
                "* slow-upload 5 1000",
                Rule::any(S3Fault::SlowUpload { chunk_bytes: 5, pause: second }),
            ),
            ("* cut-upload 9", Rule::any(S3Fault::CutUpload { after_bytes: 9 })),
        ] {
            assert_eq!(text.parse(), Ok(rule), "{text}");
        }
    }

    #[test]
    fn errors_name_the_word() {
        for (text, word) in [
            ("", "operation"),
            ("Put lose after", "Put"),
            ("* many=1 lose after", "many=1"),
            ("* lose", "before or after"),
            ("* lose never", "never"),
            ("* truncate x", "x"),
            ("* lose after all", "all"),
            ("* explode", "explode"),
        ] {
            let error = text.parse::<Rule>().unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}
