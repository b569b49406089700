//! The two ends of a request, seen by all three: the log, the metrics and the trace.

use opentelemetry::KeyValue;
use pingora::{Error, ErrorSource, proxy::Session};

use crate::{
    Edge, access_log, ctx::Ctx, errors, metrics::Measured, outcome::Outcome, routes, trace_context,
};

impl Edge {
    /// Names the request and begins its trace, or goes on with the client's.
    pub(crate) fn begin(&self, session: &Session, ctx: &mut Ctx) {
        let request = session.req_header();
        ctx.method = routes::known_method(&request.method);
        ctx.route = routes::template(request.uri.path());

        let fields = access_log::of_request(request, ctx.method);
        let mut attributes: Vec<KeyValue> = fields
            .into_iter()
            .map(|(name, value)| KeyValue::new(name, value))
            .collect();
        if let Some(client) = session.client_addr().and_then(|it| it.as_inet()) {
            attributes.push(KeyValue::new("client.address", client.ip().to_string()));
        }
        // A span's name must be of a small set too, and has no route where none fits.
        let method = ctx.method.unwrap_or("HTTP");
        let name = match ctx.route {
            routes::OTHER => method.to_owned(),
            route => {
                attributes.push(KeyValue::new("http.route", route));
                format!("{method} {route}")
            }
        };
        let parent = trace_context::extract(&request.headers);
        ctx.spans.begin(name, attributes, parent);
    }

    /// Writes the line, counts, and ends the trace.
    pub(crate) fn end(&self, session: &Session, error: Option<&Error>, ctx: &mut Ctx) {
        let status = errors::status_sent(session);
        let outcome = Outcome::of(error, ctx.local);
        access_log::write(session, ctx, outcome, status, error);
        self.metrics.request(&Measured {
            route: ctx.route,
            method: ctx.method.unwrap_or(routes::OTHER),
            status,
            client_gone: outcome == Outcome::ClientGone,
            total: ctx.started.elapsed(),
            proxy: ctx.own.read(),
            first_byte: ctx.first_byte,
        });
        ctx.spans.end_try(error.and_then(blamed));
        ctx.spans.end(status, error.map(|it| it.etype().as_str()));
    }
}

/// What the upstream did wrong, if it was the upstream.
pub(crate) fn blamed(error: &Error) -> Option<&'static str> {
    (error.esource() == &ErrorSource::Upstream).then(|| error.etype().as_str())
}
