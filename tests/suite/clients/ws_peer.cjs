// The npm package `ws` at either end: `serve SOCKET` echoes, `talk SOCKET` tries what a client may do,
// `outlast SOCKET BYTES PROTOCOL...` sends a message if it is to be longer than nothing, and says how the socket was closed.
// It is looked for in the directory that NODE_PATH names.

const assert = require("node:assert");
const { once } = require("node:events");
const http = require("node:http");
const crypto = require("node:crypto");
const { WebSocket, WebSocketServer } = require("ws");

const MIB = 1024 * 1024;
const LIMITS = { maxPayload: 64 * MIB };

function serve(path) {
  const server = http.createServer();
  const deflate = { threshold: 0 };
  const handleProtocols = (offered) => (offered.has("chat") ? "chat" : false);
  new WebSocketServer({ server, perMessageDeflate: deflate, handleProtocols, ...LIMITS }).on("connection", (socket) => {
    socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  server.listen(path, () => console.log("serving"));
}

async function opened(path, options) {
  const socket = new WebSocket(`ws+unix://${path}:/ws/?room=1`, ["other", "chat"], { ...LIMITS, ...options });
  await once(socket, "open");
  assert.strictEqual(socket.protocol, "chat");
  return socket;
}

async function expect(socket, whole, ...fragments) {
  const answer = once(socket, "message");
  const parts = fragments.length ? fragments : [whole];
  parts.forEach((part, index) => socket.send(part, { fin: index === parts.length - 1 }));
  const [data, isBinary] = await answer;
  assert.strictEqual(isBinary, typeof whole !== "string");
  assert.ok(data.equals(Buffer.from(whole)), `${data.length} of ${whole.length} came back, or other ones`);
}

async function talk(path) {
  const socket = await opened(path, { perMessageDeflate: { threshold: 0 } });
  assert.match(socket.extensions, /permessage-deflate/);
  await expect(socket, "text: żółw");
  await expect(socket, Buffer.from([0, 255, 128]));
  await expect(socket, "");
  await expect(socket, "in several fragments", "in ", "several ", "fragments");
  await expect(socket, "compressible ".repeat(100_000));
  await expect(socket, crypto.randomBytes(16 * MIB));
  const pong = once(socket, "pong");
  socket.ping("still there?");
  assert.strictEqual((await pong)[0].toString(), "still there?");
  socket.close(1000, "done");
  const [code] = await once(socket, "close");
  assert.strictEqual(code, 1000);

  const plain = await opened(path, { perMessageDeflate: false });
  assert.strictEqual(plain.extensions, "");
  await expect(plain, "plain ".repeat(100_000));
  await expect(plain, Buffer.alloc(16 * MIB));
  plain.close();
  await once(plain, "close");
  console.log("everything came back");
}

async function outlast(path, length, ...protocols) {
  const socket = new WebSocket(`ws+unix://${path}:/ws/`, protocols, { perMessageDeflate: false });
  await once(socket, "open");
  console.log(["open", socket.protocol].join(" ").trim());
  if (Number(length) > 0) socket.send(Buffer.alloc(Number(length)));
  const [code, reason] = await once(socket, "close");
  console.log(`closed ${code} ${reason}`);
}

({ serve, talk, outlast })[process.argv[2]](...process.argv.slice(3));
