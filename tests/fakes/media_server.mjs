// WHIP (RFC 9725) and WHEP before a Janus, for tests: what is published is forwarded to a mountpoint of its streaming
// plugin, which janus-whep-server gives to players.
//
//   node media_server.mjs {port} {Janus's WebSocket} {first of 64 free UDP ports} {token}
//
// It says "ready" on standard output. `POST /test/refuse/{status}` has each further offer of a publisher refused, with
// `/test/refuse/0` no more; `GET /test/published` names what is published now.

import http from 'node:http';
import { register } from 'node:module';

import express from 'express';

// Janode can speak over Unix sockets too, by a library that has to be compiled; nothing here does.
register(
  'data:text/javascript,' +
    encodeURIComponent(`export const resolve = (name, context, next) =>
      name === 'unix-dgram' ? { url: 'data:text/javascript,export const createSocket = undefined', shortCircuit: true } : next(name, context);`),
);
const { default: Janode } = await import('janode');
const { default: StreamingPlugin } = await import('janode/plugins/streaming');
const { default: VideoRoomPlugin } = await import('janode/plugins/videoroom');
const { JanusWhepServer } = await import('janus-whep-server');

const [port, address, firstUdp, token] = process.argv.slice(2);
const AUDIO_PT = 111;
const H264 = /^a=fmtp:(\d+) (?=.*packetization-mode=1)(?=.*profile-level-id=42e0)/m;
const HOST = '127.0.0.1';

let refusal = 0;
let nextUdp = Number(firstUdp);
let nextId = 1;
/** What is published, by the name in its address. */
const published = new Map();

const connection = await Janode.connect({ is_admin: false, address: { url: address } });
const janus = await connection.create();
const app = express();
// Debian's Janus 1.1.2 answers a player's offer with actpass, which no answer may say, and then acts as the client; it
// numbers header extensions as it likes, which Chromium refuses; and retransmission too, so that it is not offered.
app.post('/whep/endpoint/:name', express.text({ type: 'application/sdp' }), async (request, response, next) => {
  request.body = withoutRetransmission(request.body);
  await give(request.params.name, Number((H264.exec(request.body) || [])[1]));
  const write = response.write.bind(response);
  response.write = (sdp) => write(sdp.replaceAll('a=setup:actpass', 'a=setup:active').replace(/^a=extmap:.*\r\n/gm, ''));
  next();
});

function withoutRetransmission(sdp) {
  const types = new Set([...sdp.matchAll(/^a=rtpmap:(\d+) rtx\//gm)].map((match) => match[1]));
  const lines = sdp.split('\r\n').map((line) =>
    line.startsWith('m=video') ? line.split(' ').filter((word, at) => at < 3 || !types.has(word)).join(' ') : line,
  );
  return lines.filter((line) => !types.has((/^a=(?:rtpmap|fmtp|rtcp-fb):(\d+) /.exec(line) || [])[1])).join('\r\n');
}

const whep = await new JanusWhepServer({
  janus: { address },
  rest: { app, basePath: '/whep' },
  debug: 'err',
}).start();

function isAllowed(request, response) {
  if (request.headers.authorization === 'Bearer ' + token) return true;
  response.status(401).type('text/plain').send('no such publisher');
  return false;
}

/**
 * Give the name's publisher to players, as a mountpoint with the m-lines of its offer. Janus answers players with the
 * mountpoint's payload type, whatever they offered: it is the first one's.
 */
async function give(name, videoType) {
  const one = published.get(name);
  if (!one || one.mountpoint) return;
  const media = [];
  const streams = [];
  for (const section of one.offer.split(/^m=/m).slice(1)) {
    const mid = /^a=mid:(\S+)/m.exec(section)[1];
    const isVideo = section.startsWith('video');
    const port = nextUdp++;
    const rtcpport = nextUdp++;
    const pt = isVideo ? videoType : AUDIO_PT;
    media.push({
      type: isVideo ? 'video' : 'audio',
      mid,
      port,
      rtcpport,
      pt,
      codec: isVideo ? 'h264' : 'opus',
      fmtp: isVideo ? 'profile-level-id=42e01f;packetization-mode=1' : undefined,
    });
    // a key frame that a player wants comes back this way
    streams.push({ mid, host: HOST, port, rtcp_port: rtcpport, pt });
  }
  one.mountpoint = await janus.attach(StreamingPlugin);
  await one.mountpoint.createRtpMountpoint({ id: one.id, media });
  await one.room.startForward({ room: one.id, feed: one.feed, host: HOST, streams });
  whep.createEndpoint({ id: name, mountpoint: one.id });
}

app.post('/whip/:name', express.text({ type: 'application/sdp' }), async (request, response) => {
  const { name } = request.params;
  if (!isAllowed(request, response)) return;
  if (refusal) {
    response.status(refusal).type('text/plain').send('the house is full');
    return;
  }
  if (published.has(name)) await end(name);
  try {
    const id = nextId++;
    const room = await janus.attach(VideoRoomPlugin);
    await room.create({ room: id, max_publishers: 1, videocodec: 'h264', audiocodec: 'opus' });
    const joined = await room.joinPublisher({ room: id, display: name });
    const answer = await room.publish({ jsep: { type: 'offer', sdp: request.body } });
    published.set(name, { room, id, feed: joined.feed, offer: request.body, mountpoint: null });
    room.once(Janode.EVENT.HANDLE_HANGUP, () => end(name));
    response.set('Location', '/whip/' + name + '/' + id);
    response.set('ETag', '"' + id + '"');
    response.status(201).type('application/sdp').send(answer.jsep.sdp);
  } catch (error) {
    response.status(500).type('text/plain').send(String(error));
  }
});

async function end(name) {
  const one = published.get(name);
  published.delete(name);
  if (!one) return;
  await whep.destroyEndpoint({ id: name }).catch(() => undefined);
  if (one.mountpoint) {
    await one.mountpoint.destroyMountpoint({ id: one.id }).catch(() => undefined);
    await one.mountpoint.detach().catch(() => undefined);
  }
  await one.room.destroy({ room: one.id }).catch(() => undefined);
  await one.room.detach().catch(() => undefined);
}

app.delete('/whip/:name/:id', async (request, response) => {
  if (!isAllowed(request, response)) return;
  const one = published.get(request.params.name);
  if (!one || String(one.id) !== request.params.id) {
    response.sendStatus(404);
    return;
  }
  await end(request.params.name);
  response.sendStatus(200);
});

// a cluster's front door: it sends publishers on
app.post('/door/:name', (request, response) => response.redirect(307, '/whip/' + request.params.name));
app.post('/test/refuse/:status', (request, response) => {
  refusal = Number(request.params.status);
  response.sendStatus(204);
});
app.get('/test/published', (_request, response) => response.json([...published.keys()]));

http.createServer(app).listen(Number(port), HOST, () => console.log('ready'));
