//! Media types: what a client sends, and what it is willing to read.

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};

use super::fault::PROBLEM;
use super::reply::JSON;

/// Whether the body is said to be JSON. Parameters such as `charset` make no difference.
pub fn sends_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(',').any(|one| essence(one).eq_ignore_ascii_case(JSON))
}

/// Whether the client reads `kind`, or JSON errors and therefore JSON.
pub fn reads(headers: &HeaderMap, kind: &str) -> bool {
    if !headers.contains_key(ACCEPT) {
        return true;
    }
    let family = kind.split('/').next().unwrap_or_default();
    accepted(headers).any(|one| {
        one == "*/*"
            || one.eq_ignore_ascii_case(kind)
            || one.eq_ignore_ascii_case(PROBLEM)
            || one.strip_suffix("/*").is_some_and(|whole| whole.eq_ignore_ascii_case(family))
    })
}

/// Whether the client asks for errors in the general form.
pub fn wants_problem(headers: &HeaderMap) -> bool {
    accepted(headers).any(|one| one.eq_ignore_ascii_case(PROBLEM))
}

/// The media types of the `Accept` headers that are not excluded by a weight of zero.
fn accepted(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).filter(|one| !is_excluded(one)).map(essence)
}

fn is_excluded(media_type: &str) -> bool {
    let weight = media_type.split(';').skip(1).find_map(|p| p.trim().strip_prefix("q=")?.parse::<f32>().ok());
    weight == Some(0.0)
}

fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: http::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn json_is_recognised() {
        for good in ["application/json", "application/json; charset=utf-8", "Application/JSON"] {
            assert!(sends_json(&headers(CONTENT_TYPE, good)), "{good}");
        }
        for bad in ["text/plain", "application/jsonx", "", "application/x-www-form-urlencoded"] {
            assert!(!sends_json(&headers(CONTENT_TYPE, bad)), "{bad}");
        }
        assert!(!sends_json(&HeaderMap::new()));
    }

    #[test]
    fn readers_are_believed() {
        let reads_json = |accept| reads(&headers(ACCEPT, accept), JSON);
        for good in ["*/*", "application/json", "text/html, application/*;q=0.2", "application/problem+json"]
        {
            assert!(reads_json(good), "{good}");
        }
        for bad in ["text/html", "application/json;q=0", "application/xml, text/*"] {
            assert!(!reads_json(bad), "{bad}");
        }
        assert!(reads(&HeaderMap::new(), JSON));
        assert!(wants_problem(&headers(ACCEPT, "application/json, application/problem+json")));
        assert!(!wants_problem(&headers(ACCEPT, "application/json")));
    }
}
