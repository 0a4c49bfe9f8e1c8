/**
 * What an artist's crew does: an encoder that pushes RTMP into the ingest. It is ffmpeg with a moving test picture and a
 * tone; the settings are the ones real encoders come with.
 */

import { Child } from "./child.mjs";
import { Hopeless, until } from "./wait.mjs";
import { playlists } from "./hls.mjs";

/** How long a publisher may take from its start to its first part in the playlist. */
const ON_AIR_MS = 60_000;

/** How long an encoder waits before it connects again; OBS does the same on its own, with 2 s at first. */
const RECONNECT_MS = 1_000;

/**
 * Encoder settings by name.
 *
 * @type {Record<string, { picture: string, args: string[] }>}
 */
export const ENCODERS = {
  /** Small and quick: for the tests that are about something else than the encoder. */
  small: {
    picture: "testsrc2=size=640x360:rate=30",
    args: ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", "30", "-b:v", "600k",
      "-c:a", "aac", "-b:a", "96k", "-ar", "48000", "-ac", "2"],
  },
  /** What ffmpeg does when told the codecs and a keyframe every two seconds, and nothing else: High profile, B-frames. */
  ffmpeg: {
    picture: "testsrc2=size=1280x720:rate=25",
    args: ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "50", "-c:a", "aac"],
  },
  /** The same without the keyframes: ffmpeg then makes one every ten seconds. */
  ffmpegLongInterval: {
    picture: "testsrc2=size=640x360:rate=25",
    args: ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac"],
  },
  /** What ffmpeg puts into FLV when told nothing at all: codecs of the year 2002. */
  ffmpegOldCodecs: {
    picture: "testsrc2=size=640x360:rate=25",
    args: [],
  },
  /** What OBS Studio sends with its x264 encoder and the settings that the README recommends. */
  obs: {
    picture: "testsrc2=size=1920x1080:rate=30",
    args: ["-c:v", "libx264", "-preset", "veryfast", "-profile:v", "high", "-pix_fmt", "yuv420p", "-g", "60", "-keyint_min", "60",
      "-sc_threshold", "0", "-bf", "2", "-b:v", "4500k", "-maxrate", "4500k", "-bufsize", "4500k", "-x264-params", "nal-hrd=cbr",
      "-c:a", "aac", "-b:a", "160k", "-ar", "48000", "-ac", "2"],
  },
};

/**
 * What enhanced RTMP brings: settings for an ffmpeg that knows it. Small pictures, and keyframes every second.
 *
 * @type {Record<string, { picture: string, args: string[], sounds?: string[] }>}
 */
export const ENHANCED = {
  hevc: {
    picture: "testsrc2=size=640x360:rate=30",
    args: ["-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-x265-params", "open-gop=0:keyint=30:min-keyint=30:scenecut=0:log-level=error",
      "-c:a", "aac", "-b:a", "96k", "-ac", "2"],
  },
  /** What ffmpeg does when told the codec and a keyframe every second, and nothing else: they are of open groups. */
  hevcOpenGroups: {
    picture: "testsrc2=size=320x180:rate=30",
    args: ["-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-x265-params", "keyint=30:min-keyint=30:log-level=error",
      "-c:a", "aac", "-b:a", "96k", "-ac", "2"],
  },
  av1: {
    picture: "testsrc2=size=640x360:rate=30",
    args: ["-c:v", "libsvtav1", "-preset", "12", "-pix_fmt", "yuv420p", "-g", "30", "-svtav1-params", "pred-struct=1", "-c:a", "libopus", "-b:a", "96k", "-ac", "2"],
  },
  /** The stage, and a commentator at another pitch. */
  twoSounds: {
    picture: "testsrc2=size=640x360:rate=30",
    sounds: ["sine=frequency=440:sample_rate=48000", "sine=frequency=880:sample_rate=48000"],
    args: ["-map", "0:v", "-map", "1:a", "-map", "2:a", "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", "30",
      "-b:v", "600k", "-c:a", "aac", "-b:a", "96k", "-ac", "2"],
  },
  /** What goes over WebRTC: no B-frames, and Opus. */
  whip: {
    picture: "testsrc2=size=640x360:rate=30",
    args: ["-c:v", "libx264", "-profile:v", "baseline", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", "30", "-bf", "0",
      "-b:v", "600k", "-c:a", "libopus", "-b:a", "96k", "-ar", "48000", "-ac", "2"],
  },
  /** A flash and a tone in the same tenth of every second, over WebRTC. */
  whipFlashes: {
    picture: "color=black:s=320x180:r=30,drawbox=c=white:t=fill:enable='lt(mod(t,1),0.1)'",
    sounds: ["sine=frequency=1000:sample_rate=48000,volume=volume='if(lt(mod(t,1),0.1),1,0)':eval=frame"],
    args: ["-c:v", "libx264", "-profile:v", "baseline", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", "30", "-bf", "0",
      "-c:a", "libopus", "-b:a", "96k", "-ac", "2"],
  },
  /** A show for listeners. */
  soundAlone: {
    picture: "testsrc2=size=16x16:rate=1",
    args: ["-map", "1:a", "-c:a", "aac", "-b:a", "96k", "-ac", "2"],
  },
};

/** The ffmpeg that knows enhanced RTMP. */
export function ffmpegNext() {
  const path = process.env.FANWAVE_FFMPEG_NEXT;
  if (!path) throw new Error("FANWAVE_FFMPEG_NEXT is not set: it names the program that `scripts/need ffmpeg-next` installs");
  return path;
}

/**
 * The ffmpeg arguments that send one encoder's show: as FLV over RTMP and RTMPS, as MPEG-TS over SRT, by WebRTC over HTTP.
 *
 * @param {string} url
 * @param {{ picture: string, args: string[], sounds?: string[] }} encoder
 */
export function encoderArgs(url, encoder) {
  const sounds = encoder.sounds ?? ["sine=frequency=440:sample_rate=48000"];
  return ["-hide_banner", "-nostdin", "-loglevel", "warning",
    "-re", "-f", "lavfi", "-i", encoder.picture,
    ...sounds.flatMap((sound) => ["-re", "-f", "lavfi", "-i", sound]),
    ...encoder.args, "-f", { "srt:": "mpegts", "http:": "whip" }[new URL(url).protocol] ?? "flv", url];
}

/**
 * Starts an encoder once. It is not brought back when it ends.
 *
 * @param {import("./scene.mjs").Scene} scene
 * @param {import("./server.mjs").Server} server
 * @param {{ name?: string, key?: string, url?: string, encoder?: { picture: string, args: string[], sounds?: string[] }, program?: string }} [options] Where to, if not to the RTMP port.
 */
export function startEncoder(scene, server, options = {}) {
  const name = options.name ?? "encoder";
  const url = options.url ?? `${server.rtmpUrl}/${options.key ?? server.streamKey}`;
  // One of its encoders tells about itself on every start.
  const env = { SVT_LOG: "1" };
  return new Child(scene, name, options.program ?? "ffmpeg", encoderArgs(url, options.encoder ?? ENCODERS.small), { env });
}

/**
 * One encoder that sends to several servers, with the time of day as timestamps, and finds a server again that was away.
 *
 * @param {import("./scene.mjs").Scene} scene
 * @param {import("./server.mjs").Server[]} servers
 */
export function sendToAll(scene, servers) {
  const { picture, args } = ENCODERS.small;
  const now = (Date.now() / 1000).toFixed(3);
  // A queue of its own for each, so that none has to wait for another.
  const queue = "f=fifo:fifo_format=flv:queue_size=600:drop_pkts_on_overflow=1:attempt_recovery=1:recovery_wait_time=1:" +
    `restart_with_keyframe=1:onfail=ignore:format_opts=output_ts_offset=${now}`;
  const to = servers.map((server) => `[${queue}]${server.rtmpUrl}/${server.streamKey}`);
  return new Child(scene, "encoder", "ffmpeg", ["-hide_banner", "-nostdin", "-loglevel", "warning",
    "-re", "-f", "lavfi", "-i", picture, "-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000",
    "-map", "0:v", "-map", "1:a", ...args, "-flags", "+global_header", "-f", "tee", to.join("|")]);
}

/**
 * Starts an encoder and waits until a player could start.
 *
 * @param {import("./scene.mjs").Scene} scene
 * @param {import("./server.mjs").Server} server
 * @param {Parameters<typeof startEncoder>[2]} [options]
 */
export async function publish(scene, server, options) {
  const encoder = startEncoder(scene, server, options);
  await onAir(server, encoder);
  return encoder;
}

/**
 * Waits until the show's playlists are there.
 *
 * @param {import("./server.mjs").Server} server
 * @param {Child} encoder
 */
export async function onAir(server, encoder) {
  await until("the show is on the air", ON_AIR_MS, async () => {
    if (!encoder.running) throw new Hopeless(`the encoder ended: ${await encoder.log()}`);
    return playlists(server);
  });
}

/**
 * Waits until the show has run for so many segments: a fan usually comes into one that is under way, and only then is
 * there as much to load as a player wants.
 *
 * @param {import("./server.mjs").Server} server
 * @param {number} [segments]
 */
export async function underWay(server, segments = 3) {
  await until(`the show has run for ${segments} segments`, ON_AIR_MS, async () => {
    const now = await playlists(server);
    return now && now.video.nextMsn - now.video.firstMsn >= segments;
  });
}

/**
 * An encoder that connects again for as long as the scene lasts, as OBS does when its connection breaks.
 *
 * @param {import("./scene.mjs").Scene} scene
 * @param {import("./server.mjs").Server} server
 * @returns {{ stop: () => Promise<void> }}
 */
export function persistentEncoder(scene, server) {
  let stopped = false;
  /** @type {Child | undefined} */
  let current;
  const loop = (async () => {
    for (let attempt = 1; !stopped; attempt += 1) {
      current = startEncoder(scene, server, { name: `encoder-${attempt}` });
      await current.exited;
      if (!stopped) await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS));
    }
  })();
  const stop = async () => {
    stopped = true;
    await current?.kill();
    await loop;
  };
  scene.after(stop);
  return { stop };
}
