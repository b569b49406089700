//! The log never holds up a request.

use lab::{Proxy, Signal, Upstream, expect};
use tempfile::tempdir;

use crate::{DEMO, counted, sum};

/// A pipe that nobody reads takes 64 KiB and then makes its writer wait, as a stalled disk does.
#[tokio::test]
async fn a_log_that_nobody_reads_loses_lines_and_holds_up_nobody() {
    let folder = tempdir().expect("a folder");
    let pipe = folder.path().join("log");
    // The shell holds the reading end open, so writing is no error; exec keeps the process the same.
    let script = format!(
        "mkfifo '{0}' && exec 3<>'{0}' && exec '{1}' 2>'{0}'",
        pipe.display(),
        DEMO.display()
    );
    let upstream = Upstream::echo().await;
    let proxy = Proxy::at_path("/bin/sh", "7-0")
        .arg("-c")
        .arg(script)
        .env("LOG_BUFFER_LINES", 10)
        .in_front_of(&upstream)
        .await;

    let client = proxy.client().await;
    for _ in 0..500 {
        client.get("/users/7").send().await.expect_status(200);
    }
    let page = counted(&proxy, 500).await;
    let lost = sum(&page, "edge_log_lines_dropped_total");
    expect(
        lost > 0.0 && lost < 500.0,
        format!("some lines lost, not {lost}"),
    );
    proxy.signal(Signal::SIGTERM);
    proxy.wait_for_exit().await.expect_code(0);
}
