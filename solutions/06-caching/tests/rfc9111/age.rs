//! RFC 9111, sections 4.2.3 and 5.1: how old a response is.

use super::*;

/// The Age of the second answer to a first one with these headers, at an address of its own for each row.
async fn expect_ages(rows: &[(&[(&str, &str)], i64)]) {
    let replies = rows.iter().map(|(headers, _)| with(fresh(), headers));
    let (upstream, proxy) = demo(replies).await;
    for (at, (headers, age)) in rows.iter().enumerate() {
        let path = format!("/{at}");
        proxy.get(&path).send().await;
        let second = proxy.get(&path).send().await;
        upstream.expect_requests(at + 1);
        let found = second.header("age").and_then(|age| age.parse().ok());
        let found = found.unwrap_or(-1);
        // A loaded machine may be late, but never early.
        proxy.expect(
            (*age..age + 20).contains(&found),
            format!("Age {age} with {headers:?}, not {found}"),
        );
    }
}

#[tokio::test]
async fn a_hit_has_an_age() {
    expect_ages(&[(&[], 0)]).await;
}

#[tokio::test]
async fn the_age_that_the_upstream_sent_counts() {
    expect_ages(&[(&[("Age", "1000")], 1000), (&[("age", "0001000")], 1000)]).await;
}

#[tokio::test]
async fn the_time_since_the_date_counts() {
    expect_ages(&[(&[("Date", &date(-1000))], 1000)]).await;
}

#[tokio::test]
async fn the_greater_of_both_counts() {
    expect_ages(&[
        (&[("Date", &date(-1000)), ("Age", "50")], 1000),
        (&[("Date", &date(-50)), ("Age", "1000")], 1000),
    ])
    .await;
}

#[tokio::test]
async fn a_date_ahead_of_our_clock_is_no_age() {
    expect_ages(&[(&[("Date", &date(500))], 0)]).await;
}

#[tokio::test]
async fn a_date_that_is_none_is_passed_over() {
    expect_ages(&[
        (&[("Date", "yesterday")], 0),
        (&[("Date", "yesterday"), ("Age", "100")], 100),
    ])
    .await;
}

#[tokio::test]
async fn of_several_ages_the_first_counts() {
    expect_ages(&[
        (&[("Age", "100, 2000")], 100),
        (&[("Age", "2000, 100")], 2000),
        (&[("Age", "100"), ("Age", "2000")], 100),
    ])
    .await;
}

#[tokio::test]
async fn an_age_that_is_no_number_is_passed_over() {
    let values = [
        "abc", "-3600", "3600.0", "3600x", "", "\"3600\"", "3 600", "0x10",
    ];
    let fields = values.map(|value| [("Age", value)]);
    expect_ages(&fields.each_ref().map(|fields| (&fields[..], 0))).await;
}

#[tokio::test]
async fn an_age_beyond_the_lifetime_is_stale() {
    expect_reused(
        200,
        &[
            (&[("Cache-Control", "max-age=3600"), ("Age", "3599")], true),
            (&[("Cache-Control", "max-age=3600"), ("Age", "3601")], false),
            (&[("Cache-Control", "max-age=3600"), ("Age", "3600")], false),
            (
                &[("Cache-Control", "max-age=3600"), ("Age", "99999999999999")],
                false,
            ),
        ],
    )
    .await;
    let old = date(-7200);
    let row = [("Cache-Control", "max-age=3600"), ("Date", old.as_str())];
    expect_reused(200, &[(&row, false)]).await;
}

#[tokio::test]
async fn the_time_on_the_way_counts() {
    let slow = reply(&[("Cache-Control", "max-age=3600"), ("Age", "10")])
        .after(Duration::from_millis(1100));
    let (_upstream, proxy) = demo([slow]).await;
    proxy.get("/").send().await;
    let second = proxy.get("/").send().await;
    second.expect_header_where("age", "11 or more", |age| {
        age.parse().is_ok_and(|age: u32| age >= 11)
    });
}

#[tokio::test]
async fn a_first_answer_has_the_age_that_it_came_with_and_no_other() {
    let (_upstream, proxy) = demo([with(fresh(), &[("Age", "100")])]).await;
    let first = proxy.get("/").send().await;
    first.expect_header_where("age", "100 or little more", |age| {
        age.parse().is_ok_and(|age: u32| (100..120).contains(&age))
    });
    let (_upstream, proxy) = demo([fresh()]).await;
    proxy.get("/").send().await.expect_no_header("age");
}

#[tokio::test]
async fn the_age_grows_while_it_is_stored() {
    let (_upstream, proxy) = demo([with(fresh(), &[("Age", "100")])]).await;
    proxy.get("/").send().await;
    lab::eventually("an Age of more than 100", || async {
        let answer = proxy.get("/").send().await;
        answer
            .header("age")
            .and_then(|age| age.parse().ok())
            .is_some_and(|age: u32| age > 100)
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_is_not_stored_keeps_its_age() {
    let (_upstream, proxy) = demo([reply(&[("Cache-Control", "no-store"), ("Age", "77")])]).await;
    proxy.get("/").send().await.expect_header("age", "77");
}
