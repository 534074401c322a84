//! The forms of times in S3 and HTTP.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::fmt::rfc2822;

/// Reads a time of an XML document, such as `2009-10-12T17:50:30.000Z`.
pub(crate) fn parse_rfc3339(text: &str) -> Option<SystemTime> {
    text.parse::<Timestamp>().ok().map(SystemTime::from)
}

/// Reads a time of a header, such as `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(crate) fn parse_http_date(text: &str) -> Option<SystemTime> {
    let parser = rfc2822::DateTimeParser::new().relaxed_weekday(true);
    parser.parse_timestamp(text).ok().map(SystemTime::from)
}

/// Reads the header `Retry-After`, which is a number of seconds or a time.
pub(crate) fn parse_retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    // A time in the past asks for no pause.
    parse_http_date(text).map(|time| time.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn times_of_documents() {
        assert_eq!(parse_rfc3339("2009-10-12T17:50:30.000Z"), Some(at(1_255_369_830)));
        assert_eq!(parse_rfc3339("2009-10-12T17:50:30Z"), Some(at(1_255_369_830)));
        assert_eq!(parse_rfc3339("2009-10-12T19:50:30+02:00"), Some(at(1_255_369_830)));
        for text in ["", "yesterday", "2009-10-12", "2009-13-12T17:50:30Z"] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn times_of_headers() {
        assert_eq!(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(at(784_111_777)));
        assert_eq!(parse_http_date("Thu, 29 Feb 2024 23:59:59 GMT"), Some(at(1_709_251_199)));
        for text in ["", "now", "1994-11-06T08:49:37Z"] {
            assert_eq!(parse_http_date(text), None, "{text}");
        }
    }

    #[test]
    fn pauses_are_seconds_or_times() {
        let now = at(784_111_777);
        assert_eq!(parse_retry_after("7", now), Some(Duration::from_secs(7)));
        let later = parse_retry_after("Sun, 06 Nov 1994 08:50:07 GMT", now);
        assert_eq!(later, Some(Duration::from_secs(30)));
        let past = parse_retry_after("Sun, 06 Nov 1994 08:49:07 GMT", now);
        assert_eq!(past, Some(Duration::ZERO));
        assert_eq!(parse_retry_after("soon", now), None);
    }
}
