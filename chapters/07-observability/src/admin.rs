//! The page that Prometheus reads, on a port of its own: numbers about your traffic are not for your clients.

use std::time::Duration;

use async_trait::async_trait;
use http::{Method, Response, StatusCode, header};
use pingora::{
    apps::http_app::{HttpServer, ServeHttp},
    protocols::http::ServerSession,
    services::listening::Service,
};
use pingora_prometheus::PrometheusHttpApp;

/// Pingora's own app answers every path with the metrics (pingora-prometheus, lib.rs).
pub(crate) struct Admin;

pub(crate) fn service(listen: &str) -> Service<HttpServer<Admin>> {
    let mut service = Service::new("admin".to_owned(), HttpServer::new_app(Admin));
    service.add_tcp(listen);
    service
}

#[async_trait]
impl ServeHttp for Admin {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let limit = Some(Duration::from_secs(10));
        session.set_read_timeout(limit);
        session.set_write_timeout(limit);
        let request = session.req_header();
        if request.uri.path() != "/metrics" {
            return plain(StatusCode::NOT_FOUND, "only /metrics is here\n");
        }
        if request.method != Method::GET {
            let mut refusal = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
            let allowed = header::HeaderValue::from_static("GET");
            refusal.headers_mut().insert(header::ALLOW, allowed);
            return refusal;
        }
        PrometheusHttpApp.response(session).await
    }
}

fn plain(status: StatusCode, text: &str) -> Response<Vec<u8>> {
    let mut response = Response::new(text.as_bytes().to_vec());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let kind = header::HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CONTENT_LENGTH, text.len().into());
    response
}
