/**
 * A tap on a page's chat socket: it can hold back what the server says, or answer a send in the server's place. The
 * states in between, which on one machine last a millisecond, then last until the test has seen them.
 */

const CHAT_SOCKET = /\/connection\/websocket/;

/**
 * Must be called before the page opens its socket.
 *
 * @param {import("playwright-core").Page} page
 */
export async function tapSocket(page) {
  let holding = false;
  /** @type {(() => void)[]} */
  const held = [];
  /** @type {{ code: number, message: string, temporary: boolean } | undefined} */
  let refusal;
  /** @type {number[]} */
  const opened = [];
  /** @type {{ code: number | undefined, reason: string, at: number }[]} */
  const closed = [];
  await page.routeWebSocket(CHAT_SOCKET, (near) => {
    opened.push(performance.now());
    const far = near.connectToServer();
    far.onClose((code, reason) => {
      closed.push({ code, reason: reason ?? "", at: performance.now() });
      void near.close({ code, reason });
    });
    near.onMessage((frame) => {
      const sends = refusal ? rpcIds(String(frame)) : [];
      if (sends.length === 0) far.send(frame);
      else for (const id of sends) near.send(JSON.stringify({ id, error: refusal }));
    });
    far.onMessage((frame) => {
      if (holding) held.push(() => near.send(frame));
      else near.send(frame);
    });
  });
  return {
    /** When the page began each connection, milliseconds of this process's own clock. */
    opened,
    /** How the server ended them, and when. */
    closed,
    /** From now on the page hears nothing. */
    hold: () => {
      holding = true;
    },
    /** The page hears what was held back, in order, and everything after. */
    release: () => {
      holding = false;
      for (const deliver of held.splice(0)) deliver();
    },
    /**
     * Every send is answered with this error; without one, they reach the server again.
     *
     * @param {typeof refusal} error
     */
    refuse: (error) => {
      refusal = error;
    },
  };
}

/**
 * Ids of the RPC commands in a frame, which may hold several, one a line.
 *
 * @param {string} frame
 * @returns {number[]}
 */
function rpcIds(frame) {
  return frame.split("\n").filter(Boolean).map((line) => JSON.parse(line)).filter((command) => command.rpc).map((command) => command.id);
}
