//! Makes a client that leaves an error of the upstream.
//! fails: a_client_that_leaves_is_no_error

// TODO 7.6
/// The span of the request as the client sees it: the caller's child.
fn server_span(tracer: &SdkTracer, request: &RequestHeader, spans: &Spans) -> Span {
    // Named by what is few: a path in the name makes a name of its own for each user.
    let method = request.method.to_string();
    let span = tracer
        .span_builder(method.clone())
        .with_kind(opentelemetry::trace::SpanKind::Server)
        .with_attributes([
            KeyValue::new("http.request.method", method),
            KeyValue::new("url.path", request.uri.path().to_owned()),
            KeyValue::new("url.scheme", "http"),
        ]);
    span.start_with_context(tracer, &below(spans.caller.as_ref()))
}

/// The span of the request that the upstream gets: a child of the server span.
fn client_span(
    tracer: &SdkTracer,
    request: &RequestHeader,
    upstream: SocketAddr,
    spans: &Spans,
) -> Span {
    let method = request.method.to_string();
    let span = tracer
        .span_builder(method.clone())
        .with_kind(opentelemetry::trace::SpanKind::Client)
        .with_attributes([
            KeyValue::new("http.request.method", method),
            KeyValue::new("server.address", upstream.ip().to_string()),
            KeyValue::new("server.port", i64::from(upstream.port())),
        ]);
    let server = spans.server.as_ref().map(|span| span.span_context());
    span.start_with_context(tracer, &below(server))
}

/// To a client each 4xx and 5xx is an error (OpenTelemetry's conventions for HTTP spans, "Status").
fn upstream_answered(span: &mut Span, status: u16) {
    span.set_attribute(KeyValue::new(
        "http.response.status_code",
        i64::from(status),
    ));
    if status >= 400 {
        failed(span, status.to_string());
    }
}

/// The upstream gave no answer, or not all of it. A client that leaves is not the upstream's failure.
fn upstream_failed(span: &mut Span, error: &Error) {
    failed(span, error.etype().as_str().to_owned());
}

/// To a server a 4xx is the client's mistake and its own success.
fn client_answered(span: &mut Span, status: u16) {
    // Without an answer there is no status.
    if status > 0 {
        span.set_attribute(KeyValue::new(
            "http.response.status_code",
            i64::from(status),
        ));
    }
    if status >= 500 {
        failed(span, status.to_string());
    }
}

fn failed(span: &mut Span, why: String) {
    span.set_attribute(KeyValue::new("error.type", why));
    span.set_status(opentelemetry::trace::Status::error(""));
}
// END TODO

    // TODO 7.6
    // A thread of the SDK: `logging` only puts the span into its queue, or drops it when that is full.
    Ok(provider.with_batch_exporter(exporter).build())
    // END TODO

    // TODO 7.6
    // The last spans, and they are the ones that say what the stop did. A collector that is stuck gets 2 s.
    if let Err(error) = provider.shutdown_with_timeout(Duration::from_secs(2)) {
        log::warn!("the last spans were not exported: {error}");
    }
    // END TODO
