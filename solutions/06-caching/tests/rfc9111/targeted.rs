//! RFC 9213: targeted cache control.

use super::*;

#[tokio::test]
async fn the_targeted_field_decides() {
    let both = |cdn, cc| [("CDN-Cache-Control", cdn), ("Cache-Control", cc)];
    expect_reused(
        200,
        &[
            (&both("max-age=3600", "max-age=0"), true),
            (&both("max-age=3600", "no-store"), true),
            (&both("max-age=3600", "private"), true),
            (&both("max-age=3600", "no-cache"), true),
            (&both("max-age=0", "max-age=3600"), false),
            (&both("no-store", "max-age=3600"), false),
            (&both("private", "max-age=3600"), false),
            (&both("no-cache", "max-age=3600"), false),
            (&both("s-maxage=3600, max-age=0", "max-age=0"), true),
            (&[("CDN-Cache-Control", "max-age=3600")], true),
        ],
    )
    .await;
}

#[tokio::test]
async fn expires_says_nothing_beside_it() {
    let (past, future) = (date(-3600), date(3600));
    expect_reused(
        200,
        &[
            (
                &[("CDN-Cache-Control", "max-age=3600"), ("Expires", &past)],
                true,
            ),
            (
                &[
                    ("CDN-Cache-Control", "must-revalidate"),
                    ("Expires", &future),
                ],
                false,
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_field_that_is_no_dictionary_is_passed_over() {
    let broken = [
        "",
        "max-age=",
        "Max-Age=0",
        "max-age = 0",
        "no-store, ,",
        "\"no-store\"",
        "no-store; ",
    ];
    let rows = broken.map(|cdn| {
        [
            ("CDN-Cache-Control", cdn),
            ("Cache-Control", "max-age=3600"),
        ]
    });
    expect_rows(rows.map(|headers| row(200, &headers, true))).await;
}

#[tokio::test]
async fn its_values_are_typed() {
    let both = |cdn| [("CDN-Cache-Control", cdn), ("Cache-Control", "max-age=0")];
    expect_reused(
        200,
        &[
            (&both("max-age=3600;x=1"), true),
            (&both("max-age=3600, x=(a b)"), true),
            (&both("max-age=3600, no-store=?0"), true),
            (&both("max-age=3600, no-store=?1"), false),
            (&both("max-age=3600.5"), false),
            (&both("max-age=\"3600\""), false),
            (&both("max-age=3600, private=\"x-a\""), true),
            (&both("max-age=-1"), false),
            (&both("max-age=(3600)"), false),
            (&both("max-age=0, max-age=3600"), true),
        ],
    )
    .await;
}

#[tokio::test]
async fn several_lines_are_one_dictionary() {
    let lines = [
        ("CDN-Cache-Control", "public"),
        ("CDN-Cache-Control", "max-age=3600"),
        ("Cache-Control", "no-store"),
    ];
    expect_reused(200, &[(&lines, true)]).await;
}

#[tokio::test]
async fn it_is_passed_on_with_the_other() {
    let (_upstream, proxy) = demo([reply(&[
        ("CDN-Cache-Control", "max-age=3600"),
        ("Cache-Control", "no-store"),
    ])])
    .await;
    for _ in 0..2 {
        let answer = proxy.get("/").send().await;
        answer
            .expect_header("cdn-cache-control", "max-age=3600")
            .expect_header("cache-control", "no-store");
    }
}

#[tokio::test]
async fn age_counts_against_it() {
    let row = |age| [("CDN-Cache-Control", "max-age=100"), ("Age", age)];
    expect_reused(200, &[(&row("50"), true), (&row("150"), false)]).await;
}

#[tokio::test]
async fn it_can_be_the_permission_for_authorized_requests() {
    let (upstream, proxy) = demo([reply(&[
        ("CDN-Cache-Control", "s-maxage=3600"),
        ("Cache-Control", "private"),
    ])])
    .await;
    for _ in 0..2 {
        proxy
            .get("/")
            .header("Authorization", "Basic dTpw")
            .send()
            .await;
    }
    upstream.expect_requests(1);
}
