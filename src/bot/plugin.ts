import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type ErrorCode, errorExit, RoomtapError } from "../core/fault.ts";
import type { RoomAdapter, RoomEvent, RoomSession } from "../core/room.ts";

/*
 * Adapters of other people. What they throw may be anything, and their RoomtapError may be of another copy of this
 * package: whatever comes out of one is made an error of ours, with one line of text.
 */

const HINT = "a plugin is a module with: export const adapter = { schemes: [...], join(...) {...} }";
/** Characters of a plugin's own words. */
const MAX_WORDS = 300;

/** The adapter that a module exports, as `adapter` or by default. Rejects with a RoomtapError `usage`. */
export async function loadPlugin(path: string): Promise<RoomAdapter> {
  let module: { readonly adapter?: unknown; readonly default?: unknown };
  try {
    module = await import(pathToFileURL(resolve(path)).href);
  } catch (cause) {
    const missing = cause instanceof Error && "code" in cause && cause.code === "ERR_MODULE_NOT_FOUND";
    const [what, hint] =
      missing && wordsOf(cause).includes(resolve(path))
        ? ["there is no such file", "check the path behind --plugin"]
        : [wordsOf(cause), HINT];
    throw new RoomtapError("usage", `the plugin ${path} cannot be loaded: ${what}`, { hint, cause });
  }
  const found = [module.adapter, module.default].find(isAdapter);
  if (!found) throw new RoomtapError("usage", `the plugin ${path} exports no adapter`, { hint: HINT });
  return guarded(found);
}

function isAdapter(v: unknown): v is RoomAdapter {
  if (typeof v !== "object" || v === null) return false;
  const { schemes, join } = v as { schemes?: unknown; join?: unknown };
  return Array.isArray(schemes) && schemes.every((s) => typeof s === "string") && typeof join === "function";
}

function guarded(adapter: RoomAdapter): RoomAdapter {
  return {
    schemes: adapter.schemes.map((s) => s.toLowerCase()),
    label: (target) => attempt(() => adapter.label?.(target)) ?? target.replace(/[?#].*$/, ""),
    join: async (host, target, wish, signal) => {
      try {
        return guardedSession(await adapter.join(host, target, wish, signal));
      } catch (error) {
        throw asRoomtapError(error, "signal-refused", "the plugin could not join");
      }
    },
  };
}

function guardedSession(session: RoomSession): RoomSession {
  return {
    events: guardedEvents(session.events),
    ...(session.prefer ? { prefer: (layer, id) => void attempt(() => session.prefer?.(layer, id)) } : {}),
    leave: async () => {
      // It is over in any case.
      await Promise.resolve(attempt(() => session.leave())).catch(() => undefined);
    },
  };
}

async function* guardedEvents(events: AsyncIterable<RoomEvent>): AsyncGenerator<RoomEvent> {
  try {
    for await (const e of events) {
      if (e.t !== "ended") yield e;
      else if (e.error === undefined) return yield e;
      else return yield { ...e, error: asRoomtapError(e.error, "signal-closed", "the plugin's room ended") };
    }
  } catch (error) {
    const cause = asRoomtapError(error, "signal-closed", "the plugin failed");
    yield { t: "ended", reason: "error", error: cause };
  }
}

/** Errors that carry one of our codes keep it. */
function asRoomtapError(error: unknown, otherwise: ErrorCode, what: string): RoomtapError {
  if (error instanceof RoomtapError) return error;
  const { code, hint } =
    typeof error === "object" && error !== null ? (error as Record<string, unknown>) : {};
  const known = typeof code === "string" && code in errorExit ? (code as ErrorCode) : undefined;
  const words = wordsOf(error);
  return new RoomtapError(known ?? otherwise, known === undefined ? `${what}: ${words}` : words, {
    cause: error,
    ...(typeof hint === "string" ? { hint } : {}),
  });
}

function wordsOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const line = text.replace(/\s+/g, " ").trim().slice(0, MAX_WORDS);
  return line === "" ? "it did not say why" : line;
}

function attempt<T>(fn: () => T): T | undefined {
  try {
    return fn();
  } catch {
    return undefined;
  }
}
