/** Does something at once and then again and again, for as long as somebody looks. */

/**
 * The next time is so long after the last has ended: a server that answers slowly is asked less often.
 *
 * @param work rejects never, but for a mistake of the page's own
 * @param pauseMs from its end to its next beginning
 * @returns ends it; what is under way ends by itself
 */
export function again(work: () => Promise<void>, pauseMs: number): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let ended = false;
  const once = async () => {
    await work();
    if (!ended) timer = setTimeout(() => void once(), pauseMs);
  };
  void once();
  return () => {
    ended = true;
    clearTimeout(timer);
  };
}
