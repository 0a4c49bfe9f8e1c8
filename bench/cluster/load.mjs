/** The load of the benchmarks is the one of the tests. */

export { Load, losslessP99 } from "../../tests/harness/load.mjs";

/** @typedef {import("../../tests/harness/load.mjs").Row} Row */
/** @typedef {import("../../tests/harness/load.mjs").Fall} Fall */
