"""The PyPI package `websockets` at either end: `serve SOCKET` echoes, `talk SOCKET` tries what a client may do,
`outlast SOCKET BYTES PROTOCOL...` sends a message if it is to be longer than nothing, and says how the socket was closed."""

import asyncio
import os
import sys

from websockets.asyncio.client import unix_connect
from websockets.asyncio.server import unix_serve

MIB = 1024 * 1024


async def echo(socket):
    async for message in socket:
        await socket.send(message)


def choose(socket, offered):
    return "chat" if "chat" in offered else None


async def serve(path):
    async with unix_serve(echo, path, max_size=None, select_subprotocol=choose):
        print("serving", flush=True)
        await asyncio.Future()


async def expect(socket, message, whole=None):
    await socket.send(message)
    whole = message if whole is None else whole
    answer = await socket.recv()
    assert answer == whole, f"{len(answer)} of {len(whole)} came back, or other ones"


async def talk(path):
    options = {"uri": "ws://localhost/ws/?room=1", "max_size": None, "subprotocols": ["other", "chat"]}
    async with unix_connect(path, **options) as socket:
        assert socket.subprotocol == "chat", socket.subprotocol
        assert socket.protocol.extensions, "no compression was agreed upon"
        await expect(socket, "text: żółw")
        await expect(socket, bytes(range(256)))
        await expect(socket, "")
        await expect(socket, ["in ", "several ", "fragments"], "in several fragments")
        await expect(socket, [b"\x00" * 1000, b"\x01" * 70000], b"\x00" * 1000 + b"\x01" * 70000)
        await expect(socket, "compressible " * 100_000)
        await expect(socket, os.urandom(16 * MIB))
        await asyncio.wait_for(await socket.ping(), 10)
        await socket.close(1000, "done")
        assert socket.close_code == 1000, socket.close_code
    async with unix_connect(path, **options, compression=None) as socket:
        assert not socket.protocol.extensions
        await expect(socket, "plain " * 100_000)
        await expect(socket, bytes(16 * MIB))
    print("everything came back", flush=True)


async def outlast(path, length, *protocols):
    options = {"uri": "ws://localhost/ws/", "compression": None, "subprotocols": protocols or None}
    async with unix_connect(path, **options) as socket:
        print("open", *filter(None, [socket.subprotocol]), flush=True)
        if int(length) > 0:
            await socket.send(bytes(int(length)))
        await socket.wait_closed()
        print("closed", socket.close_code, socket.close_reason, flush=True)


asyncio.run({"serve": serve, "talk": talk, "outlast": outlast}[sys.argv[1]](*sys.argv[2:]))
