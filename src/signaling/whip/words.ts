import type { Wording } from "../http/replies.ts";

const MEDIA_HINT = "it may want another codec: try --video h264, or --video none";

/** What refusals of a WHIP endpoint mean (RFC 9725 section 4). */
export const whipWords: Wording = {
  name: "WHIP",
  doing: "publish",
  refusals: {
    406: ["signal-refused", "does not take this offer", MEDIA_HINT],
    409: ["signal-refused", "has another publisher there", "end the other one, or publish to another path"],
    422: ["signal-refused", "cannot do what the offer asks for", MEDIA_HINT],
  },
};
