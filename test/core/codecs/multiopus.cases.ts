import type { CodecCase } from "./codec-case.ts";
import { opusCases } from "./opus.cases.ts";

/** 5.1 as Chromium describes it. */
export const multiopusFmtp =
  "channel_mapping=0,4,1,2,3,5;coupled_streams=2;minptime=10;num_streams=4;useinbandfec=1";

/** A packet of several streams says how long it is where a packet of one does. */
export const multiopusCases: readonly CodecCase[] = opusCases;
