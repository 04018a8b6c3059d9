// Rooms that are folders, for two: whoever publishes leaves an offer there, whoever records answers it.
// Run: roomtap record (or publish) folder:/tmp/talk --plugin samples/plugin/folder-room.mjs
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

/** Puts a description into the folder, whole or not at all. */
async function put(path, description) {
  await writeFile(`${path}.part`, JSON.stringify(description));
  await rename(`${path}.part`, path);
}

/** Takes one out as soon as it is there. */
async function take(path, signal) {
  for (;;) {
    const text = await readFile(path, "utf8").catch(() => sleep(100, undefined, { signal }));
    if (text !== undefined) return rm(path).then(() => JSON.parse(text));
  }
}

export const adapter = {
  schemes: ["folder"],
  async join(host, target, wish, signal) {
    const folder = target.slice("folder:".length);
    if (folder === "") throw Object.assign(new Error("a folder room is a path"), { code: "usage" });
    if (signal.aborted) throw new Error("joining was cancelled");
    await mkdir(folder, { recursive: true });
    const [offer, answer] = [`${folder}/offer.json`, `${folder}/answer.json`];
    const link = host.link({ peerId: "other", iceServers: [] });
    const { readable, writable } = new TransformStream(undefined, undefined, { highWaterMark: 1000 });
    const events = writable.getWriter();
    const stop = new AbortController();
    const end = async (reason, error) => {
      if (stop.signal.aborted) return;
      stop.abort();
      link.close();
      events.write({ t: "ended", reason, error });
      events.close();
    };
    const exchange = async () => {
      const count = wish.receive ? 1 : 0;
      const plan = { send: wish.publish, receive: { audio: count, video: count }, data: false };
      if (count === 0) {
        // Without candidates: the other side is found by our agent, once it knows the answer.
        await put(offer, await link.offer(plan));
        return link.answer(await take(answer, stop.signal));
      }
      const { media } = await link.accept(await take(offer, stop.signal), plan);
      await put(answer, await link.localReady(2000));
      for (const { mid, kind } of media.filter((m) => m.sending)) {
        const source = kind === "audio" ? "microphone" : "camera";
        const track = { id: mid, peerId: "other", kind, source, linkId: link.id, mid };
        events.write({ t: "track", op: "add", track });
      }
    };
    events.write({ t: "peer", op: "join", peer: { id: "other", name: "Other", recorder: false } });
    link.onState((state) => ["failed", "closed"].includes(state) && end("room-closed"));
    exchange().catch((error) => end("error", error));
    return { events: readable, leave: () => end("left") };
  },
};
