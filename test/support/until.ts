/**
 * Resolves as soon as `condition` gives something; rejects with `what` after `capMs`. For things that other parts
 * of the process bring about: it looks again after every turn of the event loop, and waits no longer than needed.
 */
export async function until<T>(
  what: string,
  condition: () => T | undefined | false,
  capMs = 4000,
): Promise<T> {
  const end = performance.now() + capMs;
  for (;;) {
    const value = condition();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > end) throw new Error(`not within ${capMs} ms: ${what}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 1);
    });
  }
}
