//! 4.3 The same user comes to the same backend, and stays there when another backend is taken away.

use lab::{Proxy, Reply, Upstream};
use std::collections::{BTreeMap, BTreeSet};
use tokio::task::JoinSet;

const EXERCISE: &str = "4-3";

const MODULO: &str = "the hash modulo the number of backends changes for nearly every key when that number does: use a ring, selection::Consistent";
const BYTES: &str = "HeaderValue::to_str refuses what is not ASCII: a key is bytes";
const PORT: &str =
    "each connection comes from another port: the key may have the client's address, and no port";

/// Four upstreams that say who they are.
async fn four() -> [Upstream; 4] {
    let named = async |name| Upstream::always(Reply::text(200, name)).await;
    [
        named("a").await,
        named("b").await,
        named("c").await,
        named("d").await,
    ]
}

async fn start<'a>(upstreams: impl IntoIterator<Item = &'a Upstream>) -> Proxy {
    Proxy::of(EXERCISE).in_front_of_all(upstreams).await
}

/// Which backend each of these users comes to, asked over four connections at once.
async fn backends_of(users: std::ops::Range<u32>, proxy: &Proxy) -> BTreeMap<u32, String> {
    let mut clients = JoinSet::new();
    for first in 0..4 {
        let (client, users) = (proxy.client().await, users.clone());
        clients.spawn(async move {
            let mut found = BTreeMap::new();
            for user in users.skip(first).step_by(4) {
                let request = client.get("/").header("x-user", format!("user{user}"));
                found.insert(user, request.send().await.text());
            }
            found
        });
    }
    clients.join_all().await.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn taking_one_away_moves_its_users_and_no_others() {
    let upstreams = four().await;
    let before = backends_of(0..600, &start(&upstreams).await).await;
    // The second one goes.
    let [a, _, c, d] = &upstreams;
    let proxy = start([a, c, d]).await;

    let after = backends_of(0..600, &proxy).await;

    let stay = before.iter().filter(|(_, backend)| *backend != "b");
    let moved = stay.filter(|(user, backend)| after.get(user) != Some(backend));
    proxy
        .expect(
            moved.clone().count() == 0,
            format!(
                "nobody moves but the users of the one that is gone; but {} others of 600 moved",
                moved.count()
            ),
        )
        .usually(MODULO);
    let left = before.values().filter(|backend| *backend == "b").count();
    proxy.expect(
        (600 / 8..600 / 2).contains(&left),
        format!("about a quarter of 600 users at the one that is gone, but it had {left}"),
    );
}

#[tokio::test]
async fn without_the_header_the_address_decides() {
    let upstreams = four().await;
    let proxy = start(&upstreams).await;

    // What is asked for does not matter.
    let mut seen = BTreeSet::new();
    for page in 0..20 {
        seen.insert(proxy.get(format!("/{page}")).send().await.text());
    }

    proxy
        .expect(
            seen.len() == 1,
            format!("all requests from one address at one backend, but they went to {seen:?}"),
        )
        .usually(PORT);
}

#[tokio::test]
async fn a_name_beyond_ascii_is_a_name() {
    let upstreams = four().await;
    let proxy = start(&upstreams).await;

    for user in ["Zoë", "Jörg", "Łukasz"] {
        let mut seen = BTreeSet::new();
        for page in 0..10 {
            let request = proxy.get(format!("/{page}")).header("x-user", user);
            seen.insert(request.send().await.text());
        }
        proxy
            .expect(
                seen.len() == 1,
                format!("{user} always at one backend, but it was {seen:?}"),
            )
            .usually(BYTES);
    }
    let mut all = BTreeSet::new();
    for number in 0..40 {
        let request = proxy.get("/").header("x-user", format!("é{number}"));
        all.insert(request.send().await.text());
    }
    proxy
        .expect(
            all.len() > 1,
            format!("forty users at more than one backend, but they are all at {all:?}"),
        )
        .usually(BYTES);
}

mod given {
    use super::*;

    #[tokio::test]
    async fn a_user_comes_to_the_same_backend_on_every_connection() {
        let upstreams = four().await;
        let proxy = start(&upstreams).await;

        let (first, second) = (
            backends_of(0..40, &proxy).await,
            backends_of(0..40, &proxy).await,
        );

        proxy.expect(
            first == second,
            format!("the same backends as before, {first:?}, but they are {second:?}"),
        );
    }

    #[tokio::test]
    async fn a_restart_changes_nothing_nor_does_the_order_of_upstreams() {
        let upstreams = four().await;
        let before = backends_of(0..40, &start(&upstreams).await).await;
        let proxy = start(upstreams.iter().rev()).await;

        let after = backends_of(0..40, &proxy).await;

        proxy
            .expect(
                before == after,
                format!("the same backends as before, {before:?}, but they are {after:?}"),
            )
            .usually("a hasher with a seed of its own, as that of HashMap, is another one in each process");
    }

    #[tokio::test]
    async fn each_backend_has_its_share() {
        let upstreams = four().await;
        let proxy = start(&upstreams).await;

        let backends = backends_of(0..400, &proxy).await;

        for name in ["a", "b", "c", "d"] {
            let users = backends.values().filter(|it| *it == name).count();
            proxy.expect(
                (400 / 10..400 / 2).contains(&users),
                format!("about 100 of 400 users at each backend, but {name} has {users}"),
            );
        }
    }
}
