//! The checks of chapter 08: here they judge the solutions; with CHECK_BINARY set, any other answer.

#[path = "../../../chapters/08-advanced/checks/10_measure.rs"]
mod ex10_measure;
#[path = "../../../chapters/08-advanced/checks/1_https.rs"]
mod ex1_https;
#[path = "../../../chapters/08-advanced/checks/2_sni.rs"]
mod ex2_sni;
#[path = "../../../chapters/08-advanced/checks/3_upstream_tls.rs"]
mod ex3_upstream_tls;
#[path = "../../../chapters/08-advanced/checks/4_mtls.rs"]
mod ex4_mtls;
#[path = "../../../chapters/08-advanced/checks/5_http2.rs"]
mod ex5_http2;
#[path = "../../../chapters/08-advanced/checks/6_grpc.rs"]
mod ex6_grpc;
#[path = "../../../chapters/08-advanced/checks/7_websocket.rs"]
mod ex7_websocket;
#[path = "../../../chapters/08-advanced/checks/8_drain.rs"]
mod ex8_drain;
#[path = "../../../chapters/08-advanced/checks/9_upgrade.rs"]
mod ex9_upgrade;
