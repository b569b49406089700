//! RFC 9111, section 4.2: freshness.

use super::*;

#[tokio::test]
async fn max_age_says_how_long() {
    let cc = |value| [("Cache-Control", value)];
    expect_reused(
        200,
        &[
            (&cc("max-age=3600"), true),
            (&cc("MaX-aGe=3600"), true),
            (&cc("max-age=0"), false),
            (&cc("max-age=003600"), true),
            (&cc("max-age=2147483648"), true),
            (&cc("max-age=99999999999999999999"), true),
        ],
    )
    .await;
}

#[tokio::test]
async fn max_age_that_is_no_number_is_stale() {
    let values = [
        "max-age=x",
        "max-age",
        "max-age=",
        "max-age=-3600",
        "max-age=3600.0",
        "max-age='3600'",
        "max-age=3600x",
        "max-age =3600",
        "max-age= 3600",
        "max-age=\"3600",
        "max-age=\"3600\"0",
        "s-maxage=x, max-age=3600",
    ];
    expect_rows(values.map(|value| row(200, &[("Cache-Control", value)], false))).await;
}

#[tokio::test]
async fn arguments_may_be_quoted() {
    let cc = |value| [("Cache-Control", value)];
    expect_reused(
        200,
        &[
            (&cc("max-age=\"3600\""), true),
            (&cc("max-age=\"0\""), false),
            (&cc("x=\"max-age=3600\", max-age=0"), false),
            (&cc("max-age=3600, x=\"max-age=0\""), true),
            (&cc("x=\"a\\\"b, max-age=0\", max-age=3600"), true),
        ],
    )
    .await;
}

#[tokio::test]
async fn of_two_the_more_restrictive_wins() {
    expect_reused(
        200,
        &[
            (&[("Cache-Control", "max-age=3600, max-age=0")], false),
            (&[("Cache-Control", "max-age=0, max-age=3600")], false),
            (
                &[
                    ("Cache-Control", "max-age=3600"),
                    ("Cache-Control", "max-age=0"),
                ],
                false,
            ),
            (&[("Cache-Control", "max-age=3600, no-cache")], false),
            (&[("Cache-Control", "public, private, max-age=3600")], false),
            (&[("Cache-Control", "max-age=7200, max-age=3600")], true),
        ],
    )
    .await;
}

#[tokio::test]
async fn s_maxage_is_for_shared_caches() {
    let cc = |value| [("Cache-Control", value)];
    expect_reused(
        200,
        &[
            (&cc("s-maxage=3600"), true),
            (&cc("max-age=0, s-maxage=3600"), true),
            (&cc("s-maxage=0, max-age=3600"), false),
            (
                &[("Cache-Control", "s-maxage=3600"), ("Expires", "0")],
                true,
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn expires_says_until_when() {
    let (past, future) = (date(-3600), date(3600));
    let far = date(365 * 24 * 3600);
    expect_reused(
        200,
        &[
            (&[("Expires", &future)], true),
            (&[("Expires", &far)], true),
            (&[("Expires", &past)], false),
            (
                &[("Expires", &past), ("Cache-Control", "max-age=3600")],
                true,
            ),
            (
                &[("Expires", &future), ("Cache-Control", "max-age=0")],
                false,
            ),
            (&[("Expires", &future), ("Cache-Control", "x")], true),
        ],
    )
    .await;
}

#[tokio::test]
async fn expires_counts_from_the_date_of_the_response() {
    let (ago, soon) = (date(-7200), date(-3600));
    // Made two hours ago, to be used for an hour.
    expect_reused(200, &[(&[("Date", &ago), ("Expires", &soon)], false)]).await;
    // A clock an hour ahead of ours, to be used for half an hour.
    let (ahead, later) = (date(3600), date(5400));
    expect_reused(200, &[(&[("Date", &ahead), ("Expires", &later)], true)]).await;
}

#[tokio::test]
async fn expires_that_is_no_date_is_stale() {
    let values = [
        "0",
        "-1",
        "tomorrow",
        "",
        "Thu, 99 Aug 2099 00:00:00 GMT",
        "2099-08-18T00:00:00Z",
    ];
    let changed = date(-864_000);
    let rows = values.map(|value| [("Expires", value), ("Last-Modified", &changed)]);
    expect_rows(rows.map(|headers| row(200, &headers, false))).await;
}

#[tokio::test]
async fn two_expires_are_stale() {
    let (past, future) = (date(-3600), date(3600));
    expect_reused(200, &[(&[("Expires", &future), ("Expires", &past)], false)]).await;
    expect_reused(200, &[(&[("Expires", &past), ("Expires", &future)], false)]).await;
}

#[tokio::test]
async fn dates_are_read_in_all_three_formats() {
    let values = [
        "Fri, 01 Jan 2038 00:00:00 GMT",
        "Friday, 01-Jan-38 00:00:00 GMT",
        "Fri Jan  1 00:00:00 2038",
    ];
    expect_rows(values.map(|value| row(200, &[("Expires", value)], true))).await;
}

#[tokio::test]
async fn a_guess_is_made_where_the_status_allows_it() {
    let changed = date(-864_000);
    let headers = [("Last-Modified", changed.as_str())];
    let allowed = [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501];
    let others = [201, 302, 303, 307, 400, 403, 451, 500, 502, 503, 504, 599];
    expect_rows(allowed.map(|status| row(status, &headers, true))).await;
    expect_rows(others.map(|status| row(status, &headers, false))).await;
}

#[tokio::test]
async fn a_guess_is_made_where_the_response_says_public() {
    let changed = date(-864_000);
    let headers = [
        ("Last-Modified", changed.as_str()),
        ("Cache-Control", "public"),
    ];
    expect_rows([200, 302, 403, 599].map(|status| row(status, &headers, true))).await;
}

#[tokio::test]
async fn no_guess_is_made_where_freshness_is_said_or_nothing_is_known() {
    let changed = date(-864_000);
    expect_reused(
        200,
        &[
            (
                &[("Last-Modified", &changed), ("Cache-Control", "max-age=0")],
                false,
            ),
            (&[("Last-Modified", &changed), ("Expires", "0")], false),
            (
                &[("Last-Modified", &changed), ("Cache-Control", "no-cache")],
                false,
            ),
            (
                &[("Last-Modified", &changed), ("Cache-Control", "no-store")],
                false,
            ),
            (&[("ETag", "\"1\"")], false),
            (&[("Cache-Control", "public")], false),
            (&[], false),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_guess_is_a_tenth_and_at_most_a_day() {
    let rows = [(1_009, 100), (864_000, 86_400), (8_640_000, 86_400)];
    // From one date to the other, whenever the answer arrives.
    let made = SystemTime::now();
    let replies = rows.map(|(ago, _)| {
        let changed = httpdate::fmt_http_date(made - Duration::from_secs(ago));
        let made = httpdate::fmt_http_date(made);
        reply(&[("Date", &made), ("Last-Modified", &changed)])
    });
    let (_upstream, proxy) = demo(replies).await;
    for (at, (_, ttl)) in rows.into_iter().enumerate() {
        let answer = proxy.get(format!("/{at}")).send().await;
        let found = answer.number("ttl").unwrap_or_default();
        // It ages on a loaded machine.
        proxy.expect(
            (ttl - 20..=ttl).contains(&found),
            format!("ttl={ttl}, not {found}"),
        );
    }
}

#[tokio::test]
async fn no_cache_is_stored_and_asked_about_each_time() {
    let first = reply(&[
        ("Cache-Control", "max-age=3600, no-cache"),
        ("ETag", "\"1\""),
    ]);
    let (upstream, proxy) = demo([first, Reply::status(304)]).await;
    for _ in 0..3 {
        proxy
            .get("/")
            .send()
            .await
            .expect_status(200)
            .expect_body("one");
    }
    upstream.expect_requests(3);
    upstream
        .last_request()
        .expect_header("if-none-match", "\"1\"");
}

#[tokio::test]
async fn no_cache_with_fields_does_not_stop_reuse() {
    let cc = [("Cache-Control", "max-age=3600, no-cache=\"x-a\"")];
    expect_reused(200, &[(&cc, true)]).await;
}

#[tokio::test]
async fn pragma_of_a_response_says_nothing() {
    let row = [("Cache-Control", "max-age=3600"), ("Pragma", "no-cache")];
    expect_reused(200, &[(&row, true)]).await;
}
