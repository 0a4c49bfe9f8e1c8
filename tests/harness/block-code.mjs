/**
 * The clock in a picture, as the demo paints it: read out of the video element through a canvas, and made for encoders that
 * come in by other ways. The format is described in crates/fanwave/src/demo/clock_code.rs.
 */

const COLUMNS = 16;
const ROWS = 4;
/** The grid's place in a picture of `PICTURE_WIDTH`; in another size all of it scales with the width. */
const PICTURE_WIDTH = 1280;
const CELL = 16;
const LEFT = 32;
const TOP = 32;
/** Luma of video range. */
const WHITE = 235;
const BLACK = 16;

const MARKER = 0b1010n;
const TIME_BITS = 44n;
const CRC_BITS = 16n;

/**
 * The clock in the picture that is shown now, and this machine's clock at the moment of reading; `undefined` when the
 * picture is not readable.
 *
 * @param {import("playwright-core").Page} page
 * @returns {Promise<{ clock: number, readAt: number } | undefined>}
 */
export async function readBlockCode(page) {
  const layout = { COLUMNS, ROWS, PICTURE_WIDTH, CELL, LEFT, TOP };
  const { cells, readAt } = await page.getByTestId("video").evaluate((element, layout) => {
    const video = /** @type {HTMLVideoElement} */ (element);
    const { COLUMNS, ROWS, CELL } = layout;
    const canvas = document.createElement("canvas");
    canvas.width = COLUMNS * CELL;
    canvas.height = ROWS * CELL;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    if (!context) throw new Error("this browser has no canvas");
    const scale = video.videoWidth / layout.PICTURE_WIDTH;
    const readAt = Date.now();
    context.drawImage(video, layout.LEFT * scale, layout.TOP * scale, canvas.width * scale, canvas.height * scale,
      0, 0, canvas.width, canvas.height);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    let cells = "";
    for (let row = 0; row < ROWS; row += 1) {
      for (let column = 0; column < COLUMNS; column += 1) {
        const at = 4 * ((row * CELL + CELL / 2) * canvas.width + column * CELL + CELL / 2);
        // The strip has no colour: one channel is as good as all three.
        cells += (data[at] ?? 0) > 128 ? "1" : "0";
      }
    }
    return { cells, readAt };
  }, layout);
  const clock = decode(BigInt(`0b${cells}`));
  return clock === undefined ? undefined : { clock, readAt };
}

/**
 * The code of a time as gray pixels, one to a cell, with the white border around them: 18 x 6 bytes, row by row. Each has to be
 * made 16 pixels wide and high, and laid over a picture of 1280 x 720 at 16, 16.
 *
 * @param {number} unixMs
 */
export function blockCodePixels(unixMs) {
  const head = (MARKER << TIME_BITS) | (BigInt(unixMs) & ((1n << TIME_BITS) - 1n));
  const code = (head << CRC_BITS) | BigInt(crc16(head));
  const width = COLUMNS + 2;
  const pixels = new Uint8Array(width * (ROWS + 2)).fill(WHITE);
  for (let cell = 0; cell < COLUMNS * ROWS; cell += 1) {
    const isWhite = (code >> BigInt(COLUMNS * ROWS - 1 - cell)) & 1n;
    if (!isWhite) pixels[(Math.floor(cell / COLUMNS) + 1) * width + (cell % COLUMNS) + 1] = BLACK;
  }
  return pixels;
}

/**
 * @param {bigint} code 64 bits.
 * @returns {number | undefined}
 */
function decode(code) {
  const head = code >> CRC_BITS;
  if (head >> TIME_BITS !== MARKER) return undefined;
  if (crc16(head) !== Number(code & ((1n << CRC_BITS) - 1n))) return undefined;
  return Number(head & ((1n << TIME_BITS) - 1n));
}

/**
 * CRC-16/IBM-3740 over six bytes.
 *
 * @param {bigint} head
 */
function crc16(head) {
  let crc = 0xffff;
  for (let shift = 40n; shift >= 0n; shift -= 8n) {
    crc ^= Number((head >> shift) & 0xffn) << 8;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
  }
  return crc;
}
