import { isIP } from "node:net";
import { RoomtapError } from "../core/fault.ts";

/** A certificate chain and its private key, both PEM. */
export type Certificate = { readonly cert: string; readonly key: string };

/**
 * A fresh self-signed certificate for `host`, localhost and the loopback addresses, valid for 30 days. Browsers
 * warn once and then treat the page as secure.
 */
export async function selfSignedCertificate(host: string): Promise<Certificate> {
  const { generate } = await import("selfsigned");
  const names = new Set(["localhost", "127.0.0.1", "::1", host.replace(/^\[|\]$/g, "")]);
  const altNames = [...names].map((name) =>
    isIP(name) ? ({ type: 7, ip: name } as const) : ({ type: 2, value: name } as const),
  );
  const day = 86_400_000;
  try {
    const made = await generate([{ name: "commonName", value: "roomtap" }], {
      keyType: "ec",
      algorithm: "sha256",
      // A clock that is somewhat behind still accepts it.
      notBeforeDate: new Date(Date.now() - day),
      notAfterDate: new Date(Date.now() + 30 * day),
      extensions: [
        { name: "basicConstraints", cA: false, critical: true },
        { name: "keyUsage", digitalSignature: true, critical: true },
        { name: "extKeyUsage", serverAuth: true },
        { name: "subjectAltName", altNames },
      ],
    });
    return { cert: made.cert, key: made.private };
  } catch (cause) {
    throw new RoomtapError("internal", "the self-signed certificate could not be made", { cause });
  }
}
