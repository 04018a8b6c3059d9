import { type NetworkProfile, perfectNetwork } from "../../src/core/net-emulator.ts";

export { type Datagram, Netem, type NetworkProfile } from "../../src/core/net-emulator.ts";

const perfect: NetworkProfile = { ...perfectNetwork, latencyMs: 20 };

/** The networks that every receiving machine is tested on. */
export const networkProfiles = {
  clean: perfect,
  wifi: {
    ...perfect,
    latencyMs: 8,
    jitterMs: 30,
    loss: { good: 0.002, bad: 0.2, toBad: 0.005, toGood: 0.3 },
    reorder: { probability: 0.005, byMs: 15 },
    duplicate: 0.001,
  },
  lossy: {
    ...perfect,
    latencyMs: 40,
    jitterMs: 10,
    loss: { good: 0.05, bad: 0, toBad: 0, toGood: 1 },
    duplicate: 0.01,
  },
  bursty: {
    ...perfect,
    latencyMs: 60,
    jitterMs: 20,
    loss: { good: 0.001, bad: 0.6, toBad: 0.01, toGood: 0.15 },
    rate: { bps: 3_000_000, queueBytes: 100_000 },
  },
  reordering: {
    ...perfect,
    latencyMs: 30,
    jitterMs: 5,
    reorder: { probability: 0.2, byMs: 40 },
    duplicate: 0.05,
  },
  /** A round trip of 300 ms. */
  far: {
    ...perfect,
    latencyMs: 140,
    jitterMs: 10,
    loss: { good: 0.01, bad: 0, toBad: 0, toGood: 1 },
  },
} as const satisfies Record<string, NetworkProfile>;

/** Name of a profile. */
export type NetworkName = keyof typeof networkProfiles;
