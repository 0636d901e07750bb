//! Instants, in the forms that APIs write them.

use sequin_domain::timestamp::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MomentFormat {
    /// Seconds since 1970, as a number or a text, perhaps with a fraction.
    #[default]
    UnixSeconds,
    /// Milliseconds since 1970.
    UnixMilliseconds,
    /// `2011-04-22T13:33:48Z`; the offset may be without a colon, or missing for UTC, and so may the time of day.
    #[serde(rename = "iso8601")]
    Iso8601,
}

impl MomentFormat {
    pub const ALL: [Self; 3] = [Self::UnixSeconds, Self::UnixMilliseconds, Self::Iso8601];

    /// The instant in a JSON value; what is not in the format counts as absent, as it is in the data anyway.
    pub(crate) fn read(self, raw: &RawValue) -> Option<Timestamp> {
        let text = raw.get();
        if text.starts_with('"') {
            self.read_text(&serde_json::from_str::<String>(text).ok()?)
        } else {
            self.read_text(text)
        }
    }

    /// The instant in what a JSON string says, or in a JSON number.
    pub fn read_text(self, text: &str) -> Option<Timestamp> {
        let text = text.trim();
        match self {
            Self::UnixSeconds => decimal(text, 6),
            Self::UnixMilliseconds => decimal(text, 3),
            Self::Iso8601 => iso8601(text),
        }
    }

    /// The instant as a parameter; rounded down to what the format can say.
    pub(crate) fn write(self, time: Timestamp) -> String {
        match self {
            Self::UnixSeconds => time.unix_seconds().max(0).to_string(),
            Self::UnixMilliseconds => time.unix_micros().div_euclid(1000).max(0).to_string(),
            // Milliseconds are what most APIs take; whole seconds without a fraction all of them do.
            Self::Iso8601 => {
                let text = time.iso_8601();
                let (seconds, fraction) = text.split_at(19);
                match &fraction[1..4] {
                    "000" => format!("{seconds}Z"),
                    milliseconds => format!("{seconds}.{milliseconds}Z"),
                }
            }
        }
    }

    /// The first instant behind this one that is written otherwise.
    pub(crate) fn next(self, time: Timestamp) -> Timestamp {
        let step = match self {
            Self::UnixSeconds => 1_000_000,
            Self::UnixMilliseconds | Self::Iso8601 => 1_000,
        };
        let next = time.unix_micros().div_euclid(step).saturating_add(1).saturating_mul(step);
        Timestamp::from_unix_micros(next).unwrap_or(time)
    }

    /// What it is called in a declaration.
    pub fn name(self) -> &'static str {
        match self {
            Self::UnixSeconds => "unix_seconds",
            Self::UnixMilliseconds => "unix_milliseconds",
            Self::Iso8601 => "iso8601",
        }
    }

    /// The format of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// Whether the two instants are written alike.
    pub fn cannot_tell(self, one: Timestamp, other: Timestamp) -> bool {
        self.write(one) == self.write(other)
    }
}

/// A decimal number of units, of which `digits` places after the point make microseconds.
fn decimal(text: &str, digits: usize) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let fraction: String = fraction.chars().chain(std::iter::repeat('0')).take(digits).collect();
    let scale = 10_i64.checked_pow(u32::try_from(digits).ok()?)?;
    let (whole, fraction): (i64, i64) = (whole.parse().ok()?, fraction.parse().ok()?);
    let fraction = if text.starts_with('-') { -fraction } else { fraction };
    Timestamp::from_unix_micros(whole.checked_mul(scale)?.checked_add(fraction)?)
}

fn iso8601(text: &str) -> Option<Timestamp> {
    if !text.is_ascii() {
        return None;
    }
    let (date, time) = match text.split_at_checked(10)? {
        (date, "") => (date, "00:00:00Z"),
        (date, time) => (date, time.strip_prefix(['T', 't', ' '])?),
    };
    let has_offset = time.ends_with(['Z', 'z']);
    let sign = time.rfind(['+', '-']);
    let time = match sign {
        Some(at) if !has_offset && time[at..].len() == 5 => {
            format!("{}:{}", &time[..at + 3], &time[at + 3..])
        }
        Some(at) if !has_offset && time[at..].len() == 3 => format!("{time}:00"),
        None if !has_offset => format!("{time}Z"),
        _ => time.to_owned(),
    };
    let parsed = OffsetDateTime::parse(&format!("{date}T{time}"), &Rfc3339).ok()?;
    Timestamp::from_unix_micros(i64::try_from(parsed.unix_timestamp_nanos().div_euclid(1000)).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(format: MomentFormat, json: &str) -> Option<i64> {
        format.read(&RawValue::from_string(json.to_owned()).unwrap()).map(Timestamp::unix_micros)
    }

    #[test]
    fn instants_are_read_in_the_forms_of_apis() {
        use MomentFormat::{Iso8601, UnixMilliseconds, UnixSeconds};
        let second = 1_303_479_228_000_000;
        for (format, json, expected) in [
            (UnixSeconds, "1303479228", Some(second)),
            (UnixSeconds, "1303479228.5", Some(second + 500_000)),
            (UnixSeconds, r#""1303479228""#, Some(second)),
            (UnixSeconds, "-1.5", Some(-1_500_000)),
            (UnixSeconds, "1e9", None),
            (UnixSeconds, "true", None),
            (UnixSeconds, "99999999999999999999", None),
            (UnixMilliseconds, "1303479228123", Some(second + 123_000)),
            (UnixMilliseconds, r#""1303479228123.4""#, Some(second + 123_400)),
            (Iso8601, r#""2011-04-22T13:33:48Z""#, Some(second)),
            (Iso8601, r#""2011-04-22T13:33:48.123Z""#, Some(second + 123_000)),
            (Iso8601, r#""2011-04-22T15:33:48+02:00""#, Some(second)),
            (Iso8601, r#""2011-04-22T13:33:48.000+0000""#, Some(second)),
            (Iso8601, r#""2011-04-22T08:33:48-0500""#, Some(second)),
            (Iso8601, r#""2011-04-22T08:33:48-05""#, Some(second)),
            (Iso8601, r#""2011-04-22 13:33:48""#, Some(second)),
            (Iso8601, r#""2011-04-22""#, Some(second - 48_828_000_000)),
            (Iso8601, r#""2011-04-22T""#, None),
            (Iso8601, r#""2011-13-22T13:33:48Z""#, None),
            (Iso8601, r#""é011-04-22T13:33:48Z""#, None),
            (Iso8601, r#""now""#, None),
            (Iso8601, "1303479228", None),
            (Iso8601, "null", None),
        ] {
            assert_eq!(read(format, json), expected, "{format:?} {json}");
        }
    }

    #[test]
    fn instants_are_written_rounded_down() {
        let time = Timestamp::from_unix_micros(1_303_479_228_123_999).unwrap();
        assert_eq!(MomentFormat::UnixSeconds.write(time), "1303479228");
        assert_eq!(MomentFormat::UnixMilliseconds.write(time), "1303479228123");
        assert_eq!(MomentFormat::Iso8601.write(time), "2011-04-22T13:33:48.123Z");
        let whole = Timestamp::from_unix_seconds(1_303_479_228).unwrap();
        assert_eq!(MomentFormat::Iso8601.write(whole), "2011-04-22T13:33:48Z");
        assert!(MomentFormat::UnixSeconds.cannot_tell(time, whole));
        assert!(!MomentFormat::Iso8601.cannot_tell(time, whole));
        assert_eq!(MomentFormat::UnixSeconds.next(time).unix_micros(), (time.unix_seconds() + 1) * 1_000_000);
        assert!(!MomentFormat::Iso8601.cannot_tell(time, MomentFormat::Iso8601.next(time)));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_no_later(micros in 0i64..253_402_300_799_000_000) {
            let time = Timestamp::from_unix_micros(micros).unwrap();
            for format in [MomentFormat::UnixSeconds, MomentFormat::UnixMilliseconds, MomentFormat::Iso8601] {
                let json = format!("{:?}", format.write(time));
                let again = read(format, &json).unwrap();
                prop_assert!(again <= micros && micros - again < 1_000_000);
            }
        }

        #[test]
        fn nothing_makes_it_panic(text in ".{0,40}") {
            let json = serde_json::to_string(&text).unwrap();
            for format in [MomentFormat::UnixSeconds, MomentFormat::UnixMilliseconds, MomentFormat::Iso8601] {
                let _ = read(format, &json);
            }
        }
    }
}
