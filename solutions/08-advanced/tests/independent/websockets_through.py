"""A WebSocket through the proxy of 8.7 with the package websockets, client and server.

Prints the server's port, reads two addresses of proxies from stdin (in front of the server; the same with an idle limit
of half a second), and ends with 0 if everything went as it should.
"""

import asyncio
import sys

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed, InvalidStatus

PATIENCE = 30


async def before(connection, request):
    if request.path == "/refused":
        return connection.respond(403, "members only\n")
    # Not at once: Pingora 0.9.1 may end a tunnel whose 101 overtakes the end of the request.
    await asyncio.sleep(0.05)


async def echo(connection):
    try:
        async for message in connection:
            if message == "please leave":
                await connection.close(4001, "as you wish")
            await connection.send(message)
    except ConnectionClosed:
        pass


async def through(address):
    async with connect(f"ws://{address}/", subprotocols=["chat"]) as socket:
        assert socket.subprotocol == "chat"
        assert "permessage-deflate" in socket.response.headers["Sec-WebSocket-Extensions"]
        for message in ("grüße", bytes(range(256)), "x" * 500_000, ""):
            await socket.send(message)
            assert await socket.recv() == message
        await socket.send(iter(["in ", "three ", "frames"]))
        assert await socket.recv() == "in three frames"
        await asyncio.wait_for(await socket.ping(), PATIENCE)
        for number in range(1000):
            await socket.send(str(number))
            assert await socket.recv() == str(number)
        await socket.send("please leave")
        try:
            await socket.recv()
            raise AssertionError("the server stays")
        except ConnectionClosed as error:
            assert (error.rcvd.code, error.rcvd.reason) == (4001, "as you wish"), error

    try:
        async with connect(f"ws://{address}/refused", subprotocols=["chat"]):
            raise AssertionError("not refused")
    except InvalidStatus as error:
        assert error.response.status_code == 403, error
        assert error.response.body == b"members only\n", error


async def idle(address):
    async with connect(f"ws://{address}/", subprotocols=["chat"], ping_interval=None) as silent:
        try:
            await asyncio.wait_for(silent.recv(), PATIENCE)
            raise AssertionError("a message out of nothing")
        except ConnectionClosed as error:
            # Cut by the proxy, which sends no close frame.
            assert error.rcvd is None, error


async def main():
    async with serve(echo, "127.0.0.1", 0, process_request=before, subprotocols=["chat"]) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        for check in (through, idle):
            address = await asyncio.to_thread(sys.stdin.readline)
            await asyncio.wait_for(check(address.strip()), 2 * PATIENCE)
            print(check.__name__, flush=True)


asyncio.run(main())
