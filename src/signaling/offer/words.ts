import type { Wording } from "../http/replies.ts";

const MEDIA_HINT = "look into the server's log: it may want other codecs, or more than we offer";

/** What refusals of an endpoint for JSON offers mean. */
export const offerWords: Wording = {
  name: "JSON offers",
  doing: "in",
  refusals: {
    400: ["signal-refused", "does not like our offer", MEDIA_HINT],
    404: ["signal-refused", "takes no offers there", "check the path: aiortc's examples have /offer"],
    406: ["signal-refused", "does not take this offer", MEDIA_HINT],
    422: ["signal-refused", "cannot do what the offer asks for", MEDIA_HINT],
  },
};
