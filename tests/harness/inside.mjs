/** What a browser tells of its page from inside: what its heap is made of. */

/** Kinds of a heap snapshot's nodes that are no data of the page's: what the engine has compiled, and elements, which are counted on their own. */
const NO_DATA = new Set(["code", "native"]);

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
