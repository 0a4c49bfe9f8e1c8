/** Emotes for a channel: small pictures that are made here, and put up in the name of the staff. */

import assert from "node:assert/strict";
import { deflateSync } from "node:zlib";
import { CHANNEL } from "./server.mjs";
import { sign } from "./tokens.mjs";

/** Where accounts are kept, emotes are. */
export const KEPT = '[accounts]\nregistration = "closed"\n';

/**
 * Adds an emote to the channel.
 *
 * @param {import("./server.mjs").Server} server
 * @param {string} code
 * @param {Buffer} image
 * @returns {Promise<{ id: string, code: string, image: string }>}
 */
export async function addEmote(server, code, image) {
  assert.ok(server.secret, "the test signs tokens itself");
  const headers = { authorization: `Bearer ${sign(server.secret, { user: "crew", role: "staff" })}`, "content-type": "application/json" };
  const body = JSON.stringify({ code, image: image.toString("base64") });
  const response = await fetch(`${server.url}/api/v1/channels/${CHANNEL}/emotes`, { method: "POST", headers, body });
  assert.equal(response.status, 201, await response.clone().text());
  return response.json();
}

/**
 * A PNG of one colour.
 *
 * @param {[number, number, number]} colour
 * @param {number} [side] pixels
 */
export function png(colour, side = 28) {
  const line = Buffer.concat([Buffer.from([0]), ...Array.from({ length: side }, () => Buffer.from(colour))]);
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const chunks = [chunk("IHDR", header), chunk("IDAT", deflateSync(Buffer.concat(Array.from({ length: side }, () => line)))), chunk("IEND", Buffer.alloc(0))];
  return Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), ...chunks]);
}

/** @param {string} kind @param {Buffer} data */
function chunk(kind, data) {
  const named = Buffer.concat([Buffer.from(kind, "latin1"), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, sum]);
}

/** @param {Buffer} bytes */
function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

/**
 * A GIF of two pictures, red and then blue, that change every tenth of a second for ever: two by two pixels, with a palette of two.
 */
export function blinking() {
  const frame = (/** @type {number} */ colour) => {
    // LZW of four pixels, two after each clearing of its table, so that all codes have 3 bits.
    const codes = [4, colour, colour, 4, colour, colour, 5];
    let [bits, held] = [0, 0];
    const packed = [];
    for (const code of codes) {
      bits |= code << held;
      held += 3;
      while (held >= 8) {
        packed.push(bits & 255);
        bits >>= 8;
        held -= 8;
      }
    }
    if (held > 0) packed.push(bits);
    return [0x21, 0xf9, 4, 0, 10, 0, 0, 0, 0x2c, 0, 0, 0, 0, 2, 0, 2, 0, 0, 2, packed.length, ...packed, 0];
  };
  const screen = [2, 0, 2, 0, 0x80, 0, 0, 255, 0, 0, 0, 0, 255];
  const forEver = [0x21, 0xff, 11, ...Buffer.from("NETSCAPE2.0", "latin1"), 3, 1, 0, 0, 0];
  return Buffer.from([...Buffer.from("GIF89a", "latin1"), ...screen, ...forEver, ...frame(0), ...frame(1), 0x3b]);
}

/**
 * Whether the first picture of `blinking` is what a still of it shows.
 *
 * @param {import("playwright-core").Locator} canvas
 */
export async function isRed(canvas) {
  const colour = await canvas.evaluate((one) => [.../** @type {HTMLCanvasElement} */ (one).getContext("2d")?.getImageData(0, 0, 1, 1).data ?? []]);
  return colour.join() === "255,0,0,255";
}

/**
 * The emotes in a place of a page, by their names, as far as their pictures are there.
 *
 * @param {import("playwright-core").Locator} place
 */
export function drawn(place) {
  return place.getByTestId("emote").evaluateAll((all) =>
    all.filter((one) => one instanceof HTMLCanvasElement || (one instanceof HTMLImageElement && one.naturalWidth > 0))
      .map((one) => one.getAttribute("alt") ?? one.getAttribute("aria-label")),
  );
}
