/** The client itself, with the client library in it, over made-up sockets, networks and time: nothing here waits. */

import { expect, test } from 'vitest';

import { type FanwaveClient, Unauthorized } from '../src/client.js';
import { BEAT_MS, ONLINE_SPREAD_MS, VISIBLE_SPREAD_MS } from '../src/limits.js';
import { World } from './world.js';

const GUEST = JSON.stringify({ token: 'a.b.c', user: 'u', name: 'Mina', expires_at: 9e12 });

async function connected(): Promise<{ world: World; client: FanwaveClient }> {
  const world = new World();
  const client = world.client(async () => 'a.b.c');
  client.room('demo');
  client.connect();
  await world.pass(0);
  expect(client.state).toBe('connected');
  return { world, client };
}

test('a network that asks for a log-in is waited out, with growing waits and without a socket', async () => {
  const world = new World();
  const portal = () => new Response('<!doctype html><title>Free Wi-Fi</title>');
  world.answers = [portal, portal, portal, () => new Response(GUEST)];
  const client = world.client(async () => (await client.api.guest('Mina')).token);
  client.connect();
  await world.pass(0);
  expect([client.state, world.sockets.length]).toEqual(['connecting', 0]);
  await world.pass(500 + 1_000 + 1_999);
  expect([client.state, world.answers.length]).toEqual(['connecting', 1]);
  await world.pass(1);
  expect([client.state, world.open.length]).toEqual(['connected', 1]);
  client.close();
});

test('a phone that has slept takes a new socket, within a second of waking', async () => {
  const { world, client } = await connected();
  await world.pass(BEAT_MS);
  const [old] = world.open;
  world.sleep(600_000);
  world.change('visible');
  expect(old?.isOpen).toBe(false);
  await world.pass(VISIBLE_SPREAD_MS);
  expect([client.state, world.open.length, world.sockets.length]).toEqual(['connected', 1, 2]);
  client.close();
});

test('from one network to another: not at once, and not on the socket of the old one', async () => {
  const { world, client } = await connected();
  world.change('offline');
  world.change('online');
  expect([client.state, world.open.length]).toEqual(['reconnecting', 0]);
  await world.pass(VISIBLE_SPREAD_MS / 2 - 1);
  expect(world.sockets).toHaveLength(1);
  await world.pass(1);
  expect([client.state, world.open.length]).toEqual(['connected', 1]);
  client.close();
});

test('a server that stops is obeyed to the millisecond, whatever the network does meanwhile', async () => {
  const { world, client } = await connected();
  world.open[0]?.end(3001, 'shutdown; after=7400');
  for (const change of ['offline', 'online', 'hidden', 'visible'] as const) world.change(change);
  await world.pass(7_399);
  expect([client.state, world.sockets.length]).toEqual(['reconnecting', 1]);
  await world.pass(1);
  expect([client.state, world.sockets.length]).toEqual(['connected', 2]);
  client.close();
});

test('whoever was banned does not knock', async () => {
  const { world, client } = await connected();
  world.open[0]?.end(3507, 'permission denied');
  await world.pass(3_600_000);
  expect([client.state, world.sockets.length]).toEqual(['closed', 1]);
  client.connect();
  await world.pass(0);
  expect([client.state, world.sockets.length]).toEqual(['connected', 2]);
  client.close();
});

test('an app that has nobody logged in stays away', async () => {
  const world = new World();
  const client = world.client(() => Promise.reject(new Unauthorized('')));
  client.connect();
  await world.pass(3_600_000);
  expect([client.state, world.sockets.length]).toEqual(['closed', 0]);
});

test('a network that comes back while waiting is used soon, and not at once', async () => {
  const { world, client } = await connected();
  for (let faults = 0; faults < 6; faults += 1) {
    world.open[0]?.end(1006, '');
    await world.pass(10_000);
  }
  const before = world.sockets.length;
  world.open[0]?.end(1006, '');
  world.change('online');
  await world.pass(0);
  expect(world.sockets).toHaveLength(before);
  await world.pass(ONLINE_SPREAD_MS / 2);
  expect(client.state).toBe('connected');
  client.close();
});
