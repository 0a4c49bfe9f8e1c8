/**
 * An encoder whose picture shows the wall clock as the demo's does, for any way into the server. The frames with the clock drive
 * it: whatever else it makes waits for the next of them, so the clock that a picture shows is the one at which it was made.
 */

import { blockCodePixels } from "./block-code.mjs";
import { Child } from "./child.mjs";

const FRAMES_PER_SECOND = 30;

/**
 * @param {import("./scene.mjs").Scene} scene
 * @param {string[]} output What ffmpeg is told of the sound's codec, the format and the address.
 * @param {string} [program]
 * @param {number} [width] Of the picture; the code in it scales with it.
 */
export function startClockEncoder(scene, output, program = "ffmpeg", width = 1_280) {
  const cell = width / 80;
  const gop = `${FRAMES_PER_SECOND}`;
  const encoder = new Child(scene, "clock-encoder", program, [
    "-hide_banner", "-nostats", "-loglevel", "warning", "-probesize", "32", "-analyzeduration", "0", "-fpsprobesize", "0",
    "-f", "rawvideo", "-pixel_format", "gray", "-video_size", "18x6", "-framerate", gop, "-i", "pipe:0",
    "-f", "lavfi", "-i", `testsrc2=size=${width}x${(width * 9) / 16}:rate=${FRAMES_PER_SECOND}`,
    "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000",
    "-filter_complex", `[0:v]scale=${18 * cell}:${6 * cell}:flags=neighbor,format=gray[code];[1:v][code]overlay=x=${cell}:y=${cell}:eof_action=endall,format=yuv420p[v]`,
    "-map", "[v]", "-map", "2:a", "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-profile:v", "main",
    "-b:v", "2500k", "-maxrate", "2500k", "-bufsize", "2500k", "-g", gop, "-keyint_min", gop, "-sc_threshold", "0",
    "-b:a", "128k", "-ac", "2", ...output,
  ], { stdin: "pipe" });
  const { stdin } = encoder.process;
  if (!stdin) throw new Error("the encoder takes no pictures");
  // An encoder that has ended takes no more; who waits for its show is told by its log.
  stdin.on("error", () => {});
  const began = performance.now();
  let made = 0;
  const timer = setInterval(() => {
    for (; encoder.running && made < ((performance.now() - began) / 1000) * FRAMES_PER_SECOND; made += 1) stdin.write(blockCodePixels(Date.now()));
  }, 5);
  scene.after(() => clearInterval(timer));
  return encoder;
}
