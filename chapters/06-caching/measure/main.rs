//! What the cache is worth and what it costs: runs the demo, with stores of several sizes, in front of an origin that
//! counts, and asks for pages as people do: a few of them often, most of them rarely (Zipf's law).

mod http1;

use std::{
    collections::HashMap,
    env::consts::EXE_SUFFIX,
    error::Error,
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::atomic::Ordering,
    time::Duration,
};

use http1::{Client, Origin};
use tokio::{net::TcpStream, time::sleep};

/// Pages on the origin; page n has `size(n)` bytes, 8 MiB in all.
const PAGES: usize = 1000;
const REQUESTS: usize = 3000;
/// Stores to compare, in KiB: none, a sixteenth of all pages, a quarter, and more than all.
const STORES: [usize; 4] = [0, 512, 2048, 16_384];

/// For the memory: a store of that size, and eight times as much to be put into it.
const LIMIT: usize = 16 << 20;
const LARGE: usize = 64 << 10;
/// What is held besides: connections, buffers, what the allocator keeps.
const MOST_TIMES_THE_LIMIT: f64 = 2.0;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let origin = Origin::start(size).await?;
    println!("| Store | Requests | Upstream | Hit ratio |");
    println!("| --- | ---: | ---: | ---: |");
    for kib in STORES {
        let upstream = zipf(&origin, kib << 10).await?;
        let hits = 100 * (REQUESTS - upstream) / REQUESTS;
        let store = match kib {
            0 => "none".to_owned(),
            kib => format!("{kib} KiB"),
        };
        println!("| {store} | {REQUESTS} | {upstream} | {hits} % |");
    }
    memory().await
}

/// Pages of 1 to 16 KiB, in an order that has nothing to do with how often they are asked for.
fn size(page: usize) -> usize {
    1024 * (1 + page * 7 % 16)
}

/// How many requests reached the origin.
async fn zipf(origin: &Origin, store: usize) -> Result<usize, Box<dyn Error>> {
    let demo = Demo::start(origin, store).await?;
    let before = origin.requests.load(Ordering::Relaxed);
    let mut client = Client::connect(demo.address).await?;
    let mut draw = Zipf::new(PAGES);
    for _ in 0..REQUESTS {
        client.get(draw.next()).await?;
    }
    Ok(origin.requests.load(Ordering::Relaxed) - before)
}

/// Fills a store many times over, from several clients, and looks at what the process holds.
async fn memory() -> Result<(), Box<dyn Error>> {
    let origin = Origin::start(|_| LARGE).await?;
    let demo = Demo::start(&origin, LIMIT).await?;
    Client::connect(demo.address).await?.get(0).await?;
    let before = demo.memory()?;
    let pages = 8 * LIMIT / LARGE;
    let mut clients = tokio::task::JoinSet::new();
    for first in 0..4 {
        let address = demo.address;
        clients.spawn(async move {
            let mut client = Client::connect(address).await?;
            for page in (first..pages).step_by(4) {
                client.get(page).await?;
            }
            std::io::Result::Ok(())
        });
    }
    while let Some(done) = clients.join_next().await {
        done??;
    }
    let grown = demo.memory()?.saturating_sub(before);
    #[expect(clippy::cast_precision_loss, reason = "a ratio of megabytes")]
    let times = grown as f64 / LIMIT as f64;
    let mib = |bytes: usize| bytes >> 20;
    println!(
        "A store of {} MiB was filled with {} MiB: the process grew by {} MiB, {times:.1} times the limit.",
        mib(LIMIT),
        mib(pages * LARGE),
        mib(grown),
    );
    if times > MOST_TIMES_THE_LIMIT {
        return Err(format!("more than {MOST_TIMES_THE_LIMIT} times the limit").into());
    }
    Ok(())
}

/// Draws page n with a probability in proportion to 1 / (n + 1). The same sequence each time.
struct Zipf {
    sums: Vec<u64>,
    state: u64,
}

impl Zipf {
    fn new(pages: usize) -> Self {
        let weights = (1..=pages as u64).map(|rank| 1_000_000_000 / rank);
        let sums = weights.scan(0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        });
        Self {
            sums: sums.collect(),
            state: 9111,
        }
    }

    fn next(&mut self) -> usize {
        // A linear congruential generator (Knuth, MMIX): its upper bits are random enough.
        let next = self.state.wrapping_mul(6_364_136_223_846_793_005);
        self.state = next.wrapping_add(1_442_695_040_888_963_407);
        let all = self.sums.last().copied().unwrap_or(1);
        let drawn = (self.state >> 20) % all;
        self.sums.partition_point(|sum| *sum <= drawn)
    }
}

/// The demo, until it is dropped.
struct Demo {
    process: Child,
    address: SocketAddr,
}

impl Demo {
    async fn start(origin: &Origin, store: usize) -> Result<Self, Box<dyn Error>> {
        let address = http1::free_address()?;
        let settings = HashMap::from([
            ("CACHE_BYTES", store.to_string()),
            ("LISTEN", address.to_string()),
            ("UPSTREAMS", origin.address.to_string()),
            ("RUST_LOG", "off".to_owned()),
        ]);
        let program = std::env::current_exe()?.with_file_name(format!("ch06-caching{EXE_SUFFIX}"));
        let mut command = Command::new(program);
        let command = command.envs(settings).stdout(Stdio::null());
        let demo = Self {
            process: command.spawn()?,
            address,
        };
        while TcpStream::connect(address).await.is_err() {
            sleep(Duration::from_millis(10)).await;
        }
        Ok(demo)
    }

    /// What it holds in memory, in bytes.
    fn memory(&self) -> Result<usize, Box<dyn Error>> {
        let id = self.process.id().to_string();
        let output = Command::new("ps")
            .args(["-o", "rss=", "-p", &id])
            .output()?;
        let kib: usize = String::from_utf8(output.stdout)?.trim().parse()?;
        Ok(kib << 10)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}
