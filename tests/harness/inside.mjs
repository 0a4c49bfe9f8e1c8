/** What a browser tells of its page from inside: how long its tasks had the processor, and what its heap is made of. */

import { gunzipSync } from "node:zlib";

/** Tasks that are shorter are not told of. */
export const TASK_MS = 50;

/** Has one event for each task, of that name. */
const CATEGORY = "toplevel";
const TASK = "ThreadControllerImpl::RunTask";

/** Kinds of a heap snapshot's nodes that are no data of the page's: what the engine has compiled, and elements, which are counted on their own. */
const NO_DATA = new Set(["code", "native"]);

/** @param {import("playwright-core").CDPSession} cdp */
export async function traceTasks(cdp) {
  const traceConfig = { includedCategories: [CATEGORY], excludedCategories: ["*"] };
  await cdp.send("Tracing.start", { transferMode: "ReturnAsStream", streamCompression: "gzip", traceConfig });
}

/**
 * Tasks of the page's main thread since `traceTasks`, by how long they had the processor: `processorMs` is the thread's own time, slowed down as the
 * browser is told to, and without what the machine did meanwhile; `clockMs` is with that.
 *
 * @param {import("playwright-core").CDPSession} cdp
 * @returns {Promise<{ processorMs: number, clockMs: number }[]>} those of at least `TASK_MS` by the clock
 */
export async function tracedTasks(cdp) {
  /** @type {Promise<{ stream?: string, dataLossOccurred: boolean }>} */
  const complete = new Promise((resolve) => cdp.once("Tracing.tracingComplete", resolve));
  await cdp.send("Tracing.end");
  const { stream: handle, dataLossOccurred } = await complete;
  if (handle === undefined || dataLossOccurred) throw new Error("the browser's trace is not whole");
  const pieces = [];
  for (let eof = false; !eof;) {
    const piece = await cdp.send("IO.read", { handle });
    pieces.push(Buffer.from(piece.data, piece.base64Encoded ? "base64" : "utf8"));
    eof = piece.eof;
  }
  await cdp.send("IO.close", { handle });
  /** @type {{ traceEvents: { name: string, pid: number, tid: number, dur?: number, tdur?: number, args?: { name?: string } }[] }} */
  const { traceEvents } = JSON.parse(gunzipSync(Buffer.concat(pieces)).toString("utf8"));
  const mains = new Set(traceEvents.filter(({ name, args }) => name === "thread_name" && args?.name === "CrRendererMain").map(threadOf));
  const tasks = traceEvents.filter((event) => event.name === TASK && event.dur !== undefined && mains.has(threadOf(event)));
  if (tasks.length === 0) throw new Error("the browser's trace has no task of the page");
  return tasks
    .filter(({ dur = 0 }) => dur / 1_000 >= TASK_MS)
    .map(({ dur = 0, tdur = dur }) => ({ processorMs: tdur / 1_000, clockMs: dur / 1_000 }));
}

/** @param {{ pid: number, tid: number }} event */
const threadOf = ({ pid, tid }) => `${pid} ${tid}`;

/**
 * How much the page keeps, after a collection: its objects, strings, arrays and functions.
 *
 * @param {import("playwright-core").CDPSession} cdp
 * @returns {Promise<number>} bytes
 */
export async function dataOf(cdp) {
  /** @type {string[]} */
  const chunks = [];
  const take = (/** @type {{ chunk: string }} */ { chunk }) => void chunks.push(chunk);
  cdp.on("HeapProfiler.addHeapSnapshotChunk", take);
  await cdp.send("HeapProfiler.enable");
  await cdp.send("HeapProfiler.takeHeapSnapshot", { reportProgress: false });
  // It would remember the number of each object, and keep it up with every collection from now on.
  await cdp.send("HeapProfiler.disable");
  cdp.off("HeapProfiler.addHeapSnapshotChunk", take);
  /** @type {{ nodes: number[], snapshot: { meta: { node_fields: string[], node_types: [string[]] } } }} */
  const { nodes, snapshot: { meta: { node_fields: fields, node_types: [kinds] } } } = JSON.parse(chunks.join(""));
  const [kind, size] = [fields.indexOf("type"), fields.indexOf("self_size")];
  let bytes = 0;
  for (let at = 0; at < nodes.length; at += fields.length) {
    if (!NO_DATA.has(kinds[nodes[at + kind] ?? 0] ?? "")) bytes += nodes[at + size] ?? 0;
  }
  return bytes;
}
