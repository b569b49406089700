//! RFC 9111, section 4.1: Vary.

use super::*;

type Fields = &'static [(&'static str, &'static str)];

/// Asked for with these headers and then with those, at an address of its own for each row: whether the second is
/// answered from the store.
async fn expect_same(vary: &[&str], rows: &[(Fields, Fields, bool)]) {
    let lines: Vec<_> = vary.iter().map(|value| ("Vary", *value)).collect();
    let (upstream, proxy) = demo([with(fresh(), &lines)]).await;
    let mut expected = 0;
    for (at, (one, two, same)) in rows.iter().enumerate() {
        for fields in [one, two] {
            let request = proxy.get(format!("/{at}"));
            let request = fields.iter().fold(request, |request, (name, value)| {
                request.header(*name, *value)
            });
            request.send().await.expect_status(200);
        }
        expected += if *same { 1 } else { 2 };
        let what = format!("by {vary:?}, {one:?} and {two:?} get the same: {same}");
        proxy.expect(upstream.requests().len() == expected, what);
    }
}

#[tokio::test]
async fn a_field_selects_the_variant() {
    expect_same(
        &["Foo"],
        &[
            (&[("Foo", "1")], &[("Foo", "1")], true),
            (&[("foo", "1")], &[("FOO", "1")], true),
            (&[("Foo", "1")], &[("Foo", "2")], false),
            (&[("Foo", "1")], &[("Foo", "1"), ("Bar", "2")], true),
            (&[("Foo", "a")], &[("Foo", "A")], false),
            (&[("Foo", "1, 2")], &[("Foo", "2, 1")], false),
        ],
    )
    .await;
}

#[tokio::test]
async fn bytes_that_are_no_text_differ_too() {
    let vary = [("Vary", "Foo, Accept-Language")];
    let (upstream, proxy) = demo([with(fresh(), &vary)]).await;
    let values: [(&str, &[u8]); 4] = [
        ("Foo", b"\xff"),
        ("Foo", b"\xfe"),
        ("Accept-Language", b"\xff"),
        ("Accept-Language", b"\xfe"),
    ];
    for (name, value) in values {
        let mut wire = proxy.connect().await;
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{name}: ");
        wire.send([head.as_bytes(), value, b"\r\n\r\n"].concat())
            .await;
        wire.read_response().await.expect_status(200);
    }
    upstream.expect_requests(values.len());
}

#[tokio::test]
async fn absent_is_not_empty_and_not_something() {
    expect_same(
        &["Foo"],
        &[
            (&[], &[], true),
            (&[], &[("Foo", "1")], false),
            (&[("Foo", "1")], &[], false),
            (&[], &[("Foo", "")], false),
        ],
    )
    .await;
}

#[tokio::test]
async fn all_fields_must_match() {
    for vary in [&["Foo, Bar"][..], &["Foo", "Bar"], &["foo,,  BAR"]] {
        expect_same(
            vary,
            &[
                (
                    &[("Foo", "1"), ("Bar", "2")],
                    &[("Bar", "2"), ("Foo", "1")],
                    true,
                ),
                (
                    &[("Foo", "1"), ("Bar", "2")],
                    &[("Foo", "1"), ("Bar", "3")],
                    false,
                ),
                (&[("Foo", "1")], &[("Bar", "1")], false),
                (&[("Foo", "1"), ("Bar", "1")], &[("Foo", "1")], false),
            ],
        )
        .await;
    }
}

#[tokio::test]
async fn an_asterisk_matches_nothing() {
    for vary in [&["*"][..], &["*, Foo"], &["Foo, *"], &["Foo", "*"]] {
        expect_same(vary, &[(&[("Foo", "1")], &[("Foo", "1")], false)]).await;
    }
}

#[tokio::test]
async fn spelling_that_means_nothing_is_passed_over() {
    expect_same(
        &["Foo"],
        &[
            (&[("Foo", "1,2")], &[("Foo", "1,   2")], true),
            (&[("Foo", "1, 2")], &[("Foo", "1"), ("Foo", "2")], true),
            (&[("Foo", "\"a, b\"")], &[("Foo", "\"a,b\"")], false),
        ],
    )
    .await;
}

#[tokio::test]
async fn what_a_client_accepts_is_a_set() {
    expect_same(
        &["Accept-Language"],
        &[
            (
                &[("Accept-Language", "en, de")],
                &[("Accept-Language", "DE,en")],
                true,
            ),
            (
                &[("Accept-Language", "en;q=0.5, de")],
                &[("Accept-Language", "de, en; q=0.5")],
                true,
            ),
            (
                &[("Accept-Language", "en")],
                &[("Accept-Language", "en, de")],
                false,
            ),
            (
                &[("Accept-Language", "en;q=0.5, de")],
                &[("Accept-Language", "en, de")],
                false,
            ),
        ],
    )
    .await;
    expect_same(
        &["Accept-Encoding"],
        &[(
            &[("Accept-Encoding", "gzip, br")],
            &[("Accept-Encoding", "br,GZIP")],
            true,
        )],
    )
    .await;
}

#[tokio::test]
async fn variants_are_kept_side_by_side() {
    let variant = |body: &str| {
        with(
            Reply::text(200, body),
            &[("Cache-Control", "max-age=3600"), ("Vary", "Foo")],
        )
    };
    let (upstream, proxy) = demo([variant("a"), variant("b"), variant("c")]).await;
    for _ in 0..3 {
        for (foo, body) in [("1", "a"), ("2", "b"), ("3", "c")] {
            proxy
                .get("/")
                .header("Foo", foo)
                .send()
                .await
                .expect_body(body);
        }
    }
    upstream.expect_requests(3);
}

#[tokio::test]
async fn a_variant_is_validated_by_itself() {
    let variant = |tag: &str| {
        with(
            Reply::text(200, tag),
            &[
                ("Cache-Control", "max-age=9"),
                ("Age", "99"),
                ("Vary", "Foo"),
                ("ETag", tag),
            ],
        )
    };
    let (upstream, proxy) = demo([variant("\"1\""), variant("\"2\""), Reply::status(304)]).await;
    proxy.get("/").header("Foo", "1").send().await;
    proxy.get("/").header("Foo", "2").send().await;
    for (foo, tag) in [("1", "\"1\""), ("2", "\"2\"")] {
        proxy
            .get("/")
            .header("Foo", foo)
            .send()
            .await
            .expect_body(tag);
        upstream.last_request().expect_header("if-none-match", tag);
    }
}

#[tokio::test]
async fn a_variant_that_varies_by_more_is_no_answer_for_less() {
    let cc = ("Cache-Control", "max-age=3600");
    let first = with(Reply::text(200, "a"), &[cc, ("Vary", "Foo")]);
    let second = with(Reply::text(200, "b"), &[cc, ("Vary", "Foo, Bar")]);
    let third = with(Reply::text(200, "c"), &[cc, ("Vary", "Foo, Bar")]);
    let (_upstream, proxy) = demo([first, second, third]).await;
    let ask = |foo: &str, bar: &str| proxy.get("/").header("Foo", foo).header("Bar", bar).send();
    ask("1", "1").await.expect_body("a");
    ask("2", "1").await.expect_body("b");
    ask("2", "2").await.expect_body("c");
    ask("2", "1").await.expect_body("b");
}

#[tokio::test]
async fn a_response_without_vary_is_for_all() {
    expect_same(&[], &[(&[("Foo", "1")], &[("Foo", "2")], true)]).await;
    expect_same(&[""], &[(&[("Foo", "1")], &[("Foo", "2")], true)]).await;
}
