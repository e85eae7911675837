//! The one form of time on the wire: RFC 3339 in UTC with milliseconds, where the first instant of year 1 means
//! "not set". Clients send it for every unset field, and expect it for every required field that has no value.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

/// How an unset time is written.
const UNSET: &str = "0001-01-01T00:00:00Z";
/// Seconds from the Unix epoch to [`UNSET`].
const UNSET_SECONDS: i64 = -62_135_596_800;
/// Milliseconds of a day.
const DAY: i64 = 86_400_000;

/// An instant as the API writes it. Precision is milliseconds; the default is "not set".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub Timestamp);

impl Time {
    /// The value that means "not set".
    pub const UNSET: Self = Self(Timestamp::constant(UNSET_SECONDS, 0));

    /// Whether this is the value that means "not set".
    pub fn is_unset(self) -> bool {
        self.0.as_second() == UNSET_SECONDS
    }

    /// The instant, unless it is not set.
    pub fn get(self) -> Option<Timestamp> {
        (!self.is_unset()).then_some(self.0)
    }
}

impl Default for Time {
    fn default() -> Self {
        Self::UNSET
    }
}

impl From<Timestamp> for Time {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

impl From<Time> for Timestamp {
    fn from(at: Time) -> Self {
        at.0
    }
}

impl FromStr for Time {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Buffer::new(*self).as_str())
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text of a time on the stack. Lists of machines hold tens of thousands of times, so this neither allocates
/// nor goes through a general formatter.
struct Buffer {
    bytes: [u8; 24],
    len: usize,
}

impl Buffer {
    fn new(at: Time) -> Self {
        let mut bytes = *b"0000-00-00T00:00:00.000Z";
        if at.is_unset() {
            bytes[..UNSET.len()].copy_from_slice(UNSET.as_bytes());
            return Self { bytes, len: UNSET.len() };
        }
        // Before 1970 the library cuts towards zero; times are cut to the past.
        let is_cut_up = at.0.subsec_nanosecond() % 1_000_000 < 0;
        let millis = at.0.as_millisecond() - i64::from(is_cut_up);
        let (days, rest) = (millis.div_euclid(DAY), millis.rem_euclid(DAY));
        let (year, month, day) = civil(days);
        // Years outside four digits cannot be written; they are no times anybody meant.
        put(&mut bytes[0..4], year.clamp(0, 9999));
        put(&mut bytes[5..7], month);
        put(&mut bytes[8..10], day);
        put(&mut bytes[11..13], rest / 3_600_000);
        put(&mut bytes[14..16], rest / 60_000 % 60);
        put(&mut bytes[17..19], rest / 1_000 % 60);
        put(&mut bytes[20..23], rest % 1_000);
        Self { bytes, len: 24 }
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).expect("only ASCII is written")
    }
}

/// Writes a number right-aligned over the digits of `to`.
fn put(to: &mut [u8], mut number: i64) {
    for digit in to.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).expect("a digit is below ten");
        number /= 10;
    }
}

/// Year, month and day of a count of days since 1970-01-01 in the Gregorian calendar, by shifting the year's start
/// to March so that the leap day comes last.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(Buffer::new(*self).as_str())
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(from)?;
        text.parse().map_err(|e| de::Error::custom(format_args!("{text:?} is not a time in RFC 3339: {e}")))
    }
}

/// Reads an optional time: absent, null and "not set" are all none.
pub fn optional<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Time>, D::Error> {
    Ok(Option::<Time>::deserialize(from)?.filter(|t| !t.is_unset()))
}

impl PartialSchema for Time {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .into()
    }
}

impl ToSchema for Time {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("v1.Time")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Time {
        serde_json::from_str(&format!("{text:?}")).unwrap()
    }

    #[test]
    fn writes_milliseconds_and_reads_offsets() {
        assert_eq!(read("2024-02-29T23:59:59.123456789+02:00").to_string(), "2024-02-29T21:59:59.123Z");
        assert_eq!(read("2006-01-02T15:04:05Z").to_string(), "2006-01-02T15:04:05.000Z");
        assert_eq!(serde_json::to_string(&Time::default()).unwrap(), "\"0001-01-01T00:00:00Z\"");
        assert!(read("0001-01-01T00:00:00.000Z").is_unset());
        assert!(serde_json::from_str::<Time>("\"yesterday\"").is_err());
    }

    #[test]
    fn agrees_with_the_calendar() {
        for day in (-700_000_i64..2_900_000).step_by(373) {
            let at = Timestamp::from_second(day * 86_400 + 3_723).unwrap();
            assert_eq!(Time(at).to_string(), at.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string());
        }
    }
}
