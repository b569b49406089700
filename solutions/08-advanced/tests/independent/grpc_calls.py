"""Calls through the proxy of 8.6 with grpcio, client and server, which share no line with tonic or hyper.

Prints the server's port, reads four addresses of proxies from stdin, and ends with 0 if every call went as it should:
in front of the server; in front of nobody; with a deadline of half a second, in front of the server and in front of one
that never says a word. Messages are raw bytes: no protoc.
"""

import queue
import sys
import threading
from concurrent import futures

import grpc

PATIENCE = 30
given_up = threading.Semaphore(0)


def unary(request, context):
    if request == b"nobody":
        context.set_trailing_metadata((("x-room", "9"),))
        context.abort(grpc.StatusCode.NOT_FOUND, "no such room")
    metadata = dict(context.invocation_metadata())
    context.set_trailing_metadata((("x-told", metadata.get("x-ask", "")),))
    return request


def silent(request, context):
    gone = threading.Event()
    context.add_callback(gone.set)
    gone.wait(PATIENCE)
    given_up.release()
    return b""


def upload(requests, context):
    return b"".join(requests)


def download(request, context):
    for number in range(1000):
        yield request + str(number).encode()


def both(requests, context):
    for request in requests:
        yield request


METHODS = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "Silent": grpc.unary_unary_rpc_method_handler(silent),
    "Upload": grpc.stream_unary_rpc_method_handler(upload),
    "Download": grpc.unary_stream_rpc_method_handler(download),
    "Both": grpc.stream_stream_rpc_method_handler(both),
}


def failure(call):
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError("the call went well")


def through(channel):
    call = channel.unary_unary("/chat.Echo/Unary").with_call
    answer, outcome = call(b"hello", timeout=PATIENCE, metadata=(("x-ask", "metadata"),))
    assert answer == b"hello", answer
    assert dict(outcome.trailing_metadata())["x-told"] == "metadata"

    large = bytes(3_000_000)
    assert channel.unary_unary("/chat.Echo/Unary")(large, timeout=PATIENCE) == large

    error = failure(lambda: channel.unary_unary("/chat.Echo/Unary")(b"nobody", timeout=PATIENCE))
    assert error.code() == grpc.StatusCode.NOT_FOUND, error
    assert error.details() == "no such room", error
    assert dict(error.trailing_metadata())["x-room"] == "9", error

    parts = [str(number).encode() for number in range(1000)]
    answer = channel.stream_unary("/chat.Echo/Upload")(iter(parts), timeout=PATIENCE)
    assert answer == b"".join(parts), answer

    answers = list(channel.unary_stream("/chat.Echo/Download")(b"n", timeout=PATIENCE))
    assert answers == [b"n" + part for part in parts], answers

    # Each message waits for the answer to the one before: nothing is held back on the way.
    line = queue.Queue()
    answers = channel.stream_stream("/chat.Echo/Both")(iter(line.get, None), timeout=PATIENCE)
    for part in parts[:100]:
        line.put(part)
        assert next(answers) == part
    line.put(None)
    assert list(answers) == []

    error = failure(lambda: channel.unary_unary("/chat.Echo/Silent")(b"", timeout=0.3))
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error
    assert given_up.acquire(timeout=PATIENCE)

    cancelled = channel.unary_unary("/chat.Echo/Silent").future(b"")
    threading.Timer(0.3, cancelled.cancel).start()
    try:
        cancelled.result(timeout=PATIENCE)
        raise AssertionError("the call went well")
    except grpc.FutureCancelledError:
        assert given_up.acquire(timeout=PATIENCE)


def refused(channel):
    error = failure(lambda: channel.unary_unary("/chat.Echo/Unary")(b"", timeout=PATIENCE))
    assert error.code() == grpc.StatusCode.UNAVAILABLE, error
    assert error.details() == "the upstream did not answer", error

    line = queue.Queue()
    line.put(b"the upload goes on")
    call = channel.stream_unary("/chat.Echo/Upload")
    error = failure(lambda: call(iter(line.get, None), timeout=PATIENCE))
    line.put(None)
    assert error.code() == grpc.StatusCode.UNAVAILABLE, error
    assert error.details() == "the upstream did not answer", error


def bounded(channel):
    for timeout in (None, PATIENCE):
        call = channel.unary_unary("/chat.Echo/Silent")
        error = failure(lambda: call(b"", timeout=timeout))
        # From the server, which was told, or from the proxy.
        assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error
        assert given_up.acquire(timeout=PATIENCE)


def mute(channel):
    error = failure(lambda: channel.unary_unary("/chat.Echo/Unary")(b"", timeout=PATIENCE))
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error
    assert error.details() == "the deadline is over", error


def main():
    server = grpc.server(futures.ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("chat.Echo", METHODS),))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    for check in (through, refused, bounded, mute):
        with grpc.insecure_channel(sys.stdin.readline().strip()) as channel:
            check(channel)
        print(check.__name__, flush=True)
    server.stop(None)


main()
