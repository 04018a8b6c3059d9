import type { Wording } from "../http/replies.ts";

const NOTHING_HINT = "is somebody publishing there, and is the path right?";
const MEDIA_HINT = "it may have only codecs that we do not know";

/** What refusals of a WHEP endpoint mean (draft-ietf-wish-whep section 4). */
export const whepWords: Wording = {
  name: "WHEP",
  doing: "watch",
  refusals: {
    404: ["signal-refused", "has nothing to play there", NOTHING_HINT],
    406: ["signal-refused", "does not take this offer", MEDIA_HINT],
    409: ["signal-refused", "has nothing to play there yet", NOTHING_HINT],
    422: ["signal-refused", "cannot do what the offer asks for", MEDIA_HINT],
  },
};
