//! The members of objects as values of SQL. What is none of the type, or doesn't fit, is `None`: an API's objects must
//! not make a query fail.
//!
//! They come as `data ->> 'member'` gives them: strings without quotes, numbers in digits without an exponent.

use time::{Date, Month};

/// What `numeric` holds, in digits before and after the point.
const LONGEST_WHOLE: usize = 131_072;
const LONGEST_FRACTION: usize = 16_383;

pub fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// A whole number, which may be written with zeros behind a point.
pub fn bigint(text: &str) -> Option<i64> {
    let (whole, fraction) = parts(text)?;
    fraction.bytes().all(|digit| digit == b'0').then(|| whole.parse().ok()).flatten()
}

/// Nothing that is infinite, and no NaN.
pub fn double_precision(text: &str) -> Option<f64> {
    parts(text)?;
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// The same text, if `numeric` can hold it.
pub fn numeric(text: &str) -> Option<&str> {
    let (whole, fraction) = parts(text)?;
    let digits = whole.trim_start_matches('-').len();
    (digits <= LONGEST_WHOLE && fraction.len() <= LONGEST_FRACTION).then_some(text)
}

/// Year, month and day of `2026-02-28`.
pub fn date(text: &str) -> Option<(i32, u8, u8)> {
    let mut parts = text.splitn(3, '-');
    let mut next = |length: usize| {
        let digits = parts.next().filter(|part| part.len() == length && is_digits(part))?;
        digits.parse::<u16>().ok()
    };
    let (year, month, day) =
        (i32::from(next(4)?), u8::try_from(next(2)?).ok()?, u8::try_from(next(2)?).ok()?);
    // In SQL there is no year 0.
    let is_date = year > 0 && Date::from_calendar_date(year, Month::try_from(month).ok()?, day).is_ok();
    is_date.then_some((year, month, day))
}

/// The digits before the point, with a sign, and those after it.
fn parts(text: &str) -> Option<(&str, &str)> {
    let (whole, fraction) = match text.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (text, ""),
    };
    let unsigned = whole.strip_prefix('-').unwrap_or(whole);
    (!unsigned.is_empty() && is_digits(unsigned) && is_digits(fraction)).then_some((whole, fraction))
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_fits_is_read_and_the_rest_is_nothing() {
        for (text, whole, number) in [
            ("0", Some(0), Some(0.0)),
            ("-12", Some(-12), Some(-12.0)),
            ("12.00", Some(12), Some(12.0)),
            ("12.5", None, Some(12.5)),
            ("9223372036854775807", Some(i64::MAX), Some(9.223372036854776e18)),
            ("-9223372036854775808", Some(i64::MIN), Some(-9.223372036854776e18)),
            ("9223372036854775808", None, Some(9.223372036854776e18)),
        ] {
            assert_eq!((bigint(text), double_precision(text)), (whole, number), "{text}");
            assert_eq!(numeric(text), Some(text));
        }
        for text in
            ["", "-", "+1", ".5", "1.", "1.5.2", "1e5", "0x10", " 1", "1 ", "inf", "NaN", "true", "é", "[1]"]
        {
            assert_eq!((bigint(text), double_precision(text), numeric(text)), (None, None, None), "{text:?}");
        }
        assert_eq!(
            (boolean("true"), boolean("false"), boolean("TRUE"), boolean("1")),
            (Some(true), Some(false), None, None)
        );
    }

    #[test]
    fn a_number_has_an_end() {
        let huge = "9".repeat(400);
        assert_eq!((double_precision(&huge), numeric(&huge)), (None, Some(huge.as_str())));
        assert!(numeric(&format!("-{}", "9".repeat(LONGEST_WHOLE))).is_some());
        assert_eq!(numeric(&"9".repeat(LONGEST_WHOLE + 1)), None);
        assert_eq!(numeric(&format!("0.{}", "9".repeat(LONGEST_FRACTION + 1))), None);
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date("2024-02-29"), Some((2024, 2, 29)));
        for text in [
            "2026-02-29",
            "2026-13-01",
            "2026-00-01",
            "0000-01-01",
            "2026-1-01",
            "2026-01-01T",
            "26-01-01",
            "now",
            "",
        ] {
            assert_eq!(date(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in ".{0,30}") {
            let _ = (bigint(&text), double_precision(&text), numeric(&text), date(&text));
        }

        #[test]
        fn each_whole_number_is_read(number in any::<i64>()) {
            prop_assert_eq!(bigint(&number.to_string()), Some(number));
        }
    }
}
