/** The cluster of the benchmarks is the one of the tests. */

export { startKafka, startNats, startRedis } from "../../tests/harness/brokers.mjs";
export { FANS_PER_NODE_MAX, Node, ROOM, startNodes } from "../../tests/harness/nodes.mjs";
