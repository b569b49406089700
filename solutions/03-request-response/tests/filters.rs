//! The table of the three header filters on chapter 03's page says what happens: every cell is tried here.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

#[path = "filters/world.rs"]
mod world;

use std::fs;

use lab::{Reply, Upstream};

use world::{CHANGES, MARKS, Message, World};

const PAGE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../chapters/03-request-response/README.md"
);
/// The first line of the table.
const FILTERS: &str =
    "| | `upstream_request_filter` | `upstream_response_filter` | `response_filter` |";

/// A line of the table: its title, and a cell for each filter.
type Row = (&'static str, [String; 3]);

#[tokio::test]
async fn every_cell_of_the_table_says_what_happens() {
    let page = fs::read_to_string(PAGE).expect("the page");
    let lines = page.lines().skip_while(|line| *line != FILTERS).skip(2);
    let shown: Vec<&str> = lines.take_while(|line| line.starts_with('|')).collect();

    let rows = [holds().await, asked().await, cached().await, failed().await];
    let rows = rows.into_iter().flatten().chain(changes().await);
    let tried: Vec<String> = rows
        .map(|(title, [one, two, three])| format!("| {title} | {one} | {two} | {three} |"))
        .collect();

    for (shown, tried) in shown.iter().zip(&tried) {
        assert_eq!(shown, tried, "left: the page; right: what happens");
    }
    assert_eq!(shown.len(), tried.len(), "rows: {tried:#?}");
}

/// Whose message each filter has: the marks show who had it before, and who gets it afterwards.
async fn holds() -> Vec<Row> {
    let world = World::with([Reply::text(200, "hello").header("x-origin", "1")]).await;
    let answer = world.ask("x-run: 1\r\nx-client: 1").await;
    let request = world.upstream.last_request();
    let notes = world.notes();
    let client = notes.clients_request.expect("response_filter ran");
    let [one, two, three] = notes.got.map(|mut got| got.pop().expect("it ran"));

    assert_eq!(request.header(MARKS[0]), Some("1"), "the upstream gets it");
    let copied = one.has("x-client", "1") && !client.has(MARKS[0], "1");
    let first = two.has("x-origin", "1") && !two.has(MARKS[2], "1");
    let last = three.has(MARKS[1], "1") && answer.contains("x-three: 1\r\n");
    let words = |holds: bool, words: &str| if holds { words } else { "?" }.to_owned();
    vec![(
        "It is given",
        [
            words(copied, "a copy of the request, for the upstream"),
            words(first, "the upstream's answer, as it came"),
            words(last, "the answer, for the client"),
        ],
    )]
}

/// The upstream is asked because nothing is stored.
async fn asked() -> Vec<Row> {
    let uncached = after([answer()], &["x-no-cache: 1"]).await;
    let missed = after([answer()], &["x-run: 1"]).await;
    assert_eq!(uncached, missed, "they share a row");
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    // What fails is a connection from the pool, so the second try is Pingora's own (proxy_trait.rs, error_while_proxy).
    let again = [answer(), Reply::close(), answer()];
    vec![
        ("Nothing is stored, or there is no cache", missed),
        (
            "... the upstream sends a 103 first",
            after([Reply::raw(hints)], &["x-run: 1"]).await,
        ),
        (
            "... the first try fails",
            after(again, &["x-no-cache: 1", "x-no-cache: 1"]).await,
        ),
        (
            "... the client has it (`If-None-Match`), and there is a cache",
            after([answer()], &["If-None-Match: \"a\""]).await,
        ),
    ]
}

/// An answer is stored.
async fn cached() -> Vec<Row> {
    let first = "x-run: 1";
    let old = "x-run: 2\r\nx-expired: 1";
    let same = Reply::status(304).header("ETag", "\"a\"");
    vec![
        (
            "Stored and fresh",
            after([answer()], &[first, "x-run: 2"]).await,
        ),
        (
            "... the client has it",
            after([answer()], &[first, "If-None-Match: \"a\""]).await,
        ),
        (
            "Stored and out of date: the upstream says 304",
            after([answer(), same], &[first, old]).await,
        ),
        (
            "... the upstream sends a new one",
            after([answer(), answer()], &[first, old]).await,
        ),
        (
            "... the upstream says 500, and the old one is served",
            after([answer(), Reply::text(500, "broken")], &[first, old]).await,
        ),
    ]
}

/// The proxy answers by itself.
async fn failed() -> Vec<Row> {
    let refusing = World::before(Upstream::refusing().await).await;
    let answered = refusing.ask("x-run: 1").await;
    assert!(answered.starts_with("HTTP/1.1 502 "), "{answered}");
    vec![
        (
            "`request_filter` answers and says `Ok(true)`",
            after([answer()], &["x-local: 1"]).await,
        ),
        ("No connection: `fail_to_proxy` answers", cells(&refusing)),
        (
            "Connected, no answer: `fail_to_proxy` answers",
            after([Reply::close()], &["x-run: 1"]).await,
        ),
    ]
}

/// How far a change gets that a filter makes: its mark.
async fn changes() -> Vec<Row> {
    let world = World::with([answer()]).await;
    let answered = world.ask("x-run: 1").await;
    let request = world.upstream.last_request();
    world.ask("x-run: 2").await;
    let stored = stored(&world);
    let yes = |holds: bool| if holds { "yes" } else { "no" }.to_owned();
    vec![
        (
            "A change reaches the upstream",
            MARKS.map(|mark| yes(request.header(mark).is_some())),
        ),
        (
            "A change reaches what is stored",
            MARKS.map(|mark| yes(stored.has(mark, "1"))),
        ),
        (
            "... if it is made while the upstream says 304",
            on_a_304().await,
        ),
        (
            "A change reaches the client",
            MARKS.map(|mark| yes(answered.contains(&format!("{mark}: 1\r\n")))),
        ),
    ]
}

/// What is found at the next request of the changes that were made while a stored answer was found to be good still.
async fn on_a_304() -> [String; 3] {
    let world = World::with([answer(), Reply::status(304)]).await;
    world.ask("x-run: 1").await;
    world.ask("x-run: 2\r\nx-expired: 1").await;
    world.ask("x-run: 3").await;
    world.upstream.expect_requests(2);
    let stored = stored(&world);
    let kept = CHANGES
        .iter()
        .filter(|(name, value)| stored.has(name, value));
    let kept: Vec<&str> = kept.map(|(name, _)| *name).collect();
    let [one, two, three] = MARKS.map(|mark| if stored.has(mark, "2") { "yes" } else { "no" });
    let two = match (two, kept.as_slice()) {
        ("no", [_, ..]) => format!("only {}", kept.join(", ")),
        _ => two.to_owned(),
    };
    [one.to_owned(), two, three.to_owned()]
}

/// The stored answer, as `response_filter` got it with the last request.
fn stored(world: &World) -> Message {
    let [_, none, mut got] = world.notes().got;
    assert!(none.is_empty(), "the upstream was asked");
    got.pop().expect("response_filter ran")
}

fn answer() -> Reply {
    Reply::text(200, "hello").header("ETag", "\"a\"")
}

/// What ran at the last of these requests, to an upstream that gives these replies.
async fn after(replies: impl IntoIterator<Item = Reply>, requests: &[&str]) -> [String; 3] {
    let world = World::with(replies).await;
    for lines in requests {
        world.ask(lines).await;
    }
    cells(&world)
}

/// `no`; `yes` or `twice` for requests; for answers the status of each: `on 103 and 200`.
fn cells(world: &World) -> [String; 3] {
    world.notes().got.map(|got| {
        let statuses: Vec<String> = got
            .iter()
            .filter_map(|message| message.status)
            .map(|status| status.to_string())
            .collect();
        match (got.len(), statuses.as_slice()) {
            (0, _) => "no".to_owned(),
            (1, []) => "yes".to_owned(),
            (2, []) => "twice".to_owned(),
            (_, []) => "often".to_owned(),
            (_, statuses) => format!("on the {}", statuses.join(" and ")),
        }
    })
}
